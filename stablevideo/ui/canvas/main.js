// The viewer's controls, its clock, and its line to the server.
// Given by the page: element, trigger, props, watch.

const $ = (name) => element.querySelector(`.sv-${name}`);
const root = $("canvas");
const picture = $("picture"), sound = $("sound"), fallback = $("fallback"), wipe = $("wipe");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
let viewer = null, brush = null, shown = null, loading = null;
let playing = !calm, visible = true, dirty = true, startedAt = 0, ended = false, next = 0;

function say(words) {
  $("message").textContent = words;
}

// ---- the clock: sound where there is any ----

function setSound(url) {
  if ((sound.getAttribute("src") ?? "") === url) return;
  sound.pause();
  if (url) Object.assign(sound, { src: url, loop: true, muted: true }); // until it is asked for
  else sound.removeAttribute("src");
  $("mute").hidden = !url;
  $("mute").setAttribute("aria-pressed", "false");
}

function seconds() {
  const sounds = sound.src && !sound.paused && sound.readyState >= 3;
  return sounds ? sound.currentTime : (performance.now() - startedAt) / 1000;
}

function seek(frame) {
  const at = (frame + 0.5) / viewer.layers.fps;
  if (sound.src) sound.currentTime = at;
  startedAt = performance.now() - at * 1000;
  viewer.state.frame = frame;
  dirty = true;
}

function play(on) {
  playing = on;
  root.dataset.playing = on;
  if (viewer?.layers && on) seek(viewer.state.frame);
  if (sound.src) on ? sound.play().catch(() => {}) : sound.pause();
}

// Asked for twice before the next frame, it still ticks once.
function goOn() {
  cancelAnimationFrame(next);
  next = requestAnimationFrame(tick);
}

function tick() {
  if (!element.isConnected) return close();
  if (!visible) return;
  goOn();
  if (!viewer?.layers) return;
  const { frames, fps } = viewer.layers;
  if (playing) {
    const frame = Math.floor(seconds() * fps) % frames;
    if (frame !== viewer.state.frame) [viewer.state.frame, dirty] = [frame, true];
  }
  if (!dirty) return;
  dirty = false;
  viewer.resize(picture.clientWidth);
  viewer.draw();
  $("time").value = viewer.state.frame;
  $("frame").textContent = `${viewer.state.frame} / ${frames - 1}`;
  root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
}

function close() {
  if (ended) return;
  ended = true;
  sound.pause();
  viewer?.close();
}

// ---- what the server sends ----

async function load(value) {
  loading?.abort();
  if (!value) return;
  const { signal } = (loading = new AbortController());
  try {
    const pictures = {};
    const same = shown?.file.url === value.file.url && viewer?.layers;
    for (const name of LAYERS) {
      const { original, edited, corner } = value.atlases[name];
      pictures[name] = {
        original: same ? kept.pictures[name].original : await fetchPicture(original.url, signal),
        edited: edited && await fetchPicture(edited.url, signal),
        corner,
      };
    }
    const layers = same ? viewer.layers : await Layers.fetch(value, signal);
    while (brush?.stroke) await new Promise(requestAnimationFrame); // a stroke under way is finished first
    if (signal.aborted) return;
    setSound(value.sound?.url ?? "");
    begin(layers, pictures, same, shown?.clip === value.clip ? viewer.state.frame : 0);
    shown = value;
    root.toggleAttribute("data-forming", Boolean(value.forming));
    $("undo").disabled = !value.undo;
    $("redo").disabled = !value.redo;
    if (value.compare) compare(true);
    root.dataset.version = value.version;
    say("");
  } catch (error) {
    if (error.name !== "AbortError") fallBack(value, error);
  }
}

function begin(layers, pictures, same, frame) {
  if (!viewer) {
    viewer = new Viewer(picture);
    brush = new Brush(viewer, tool, send);
  }
  kept = { layers, pictures };
  if (same) for (const name of LAYERS) viewer.showAtlas(name, pictures[name]);
  else {
    viewer.show(layers, pictures);
    $("time").max = layers.frames - 1;
    picture.style.aspectRatio = `${layers.size[1]} / ${layers.size[0]}`;
    picture.hidden = false;
    fallback.hidden = true;
    seek(Math.min(frame, layers.frames - 1));
    play(playing);
  }
  dirty = true;
}

// Where the layers cannot be drawn, the rendered video plays instead.
function fallBack(value, error) {
  say(value.video ? "" : `The clip cannot be drawn in this browser: ${error.message}`);
  if (!value.video) return;
  picture.hidden = true;
  Object.assign(fallback, { hidden: false, src: value.video.url });
  if (!calm) fallback.play().catch(() => {});
  $("tools").hidden = true;
}

let kept = null;
picture.addEventListener("webglcontextlost", (event) => event.preventDefault());
picture.addEventListener("webglcontextrestored", () => {
  viewer.stacks = viewer.pictures = null;
  viewer.compilePrograms();
  if (kept) viewer.show(kept.layers, kept.pictures);
  dirty = true;
  trigger("refresh", {}); // the strokes since are the server's by now
});

// ---- tools ----

function tool() {
  const hex = $("colour").value;
  return {
    tool: element.querySelector("[name=sv-tool]:checked").value,
    colour: [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255),
    size: Number($("size").value),
    softness: $("softness").value / 100,
    opacity: $("opacity").value / 100,
    layer: $("layer").value,
  };
}

function send(stroke) {
  dirty = true;
  $("undo").disabled = false;
  $("redo").disabled = true;
  trigger("stroke", { clip: shown.clip, stroke });
}

async function pointed(event) {
  if (!viewer?.layers || event.button > 0) return;
  const { tool: name } = tool();
  if (name === "look") return play(!playing);
  event.preventDefault();
  if (name === "brush" || name === "eraser") {
    picture.setPointerCapture(event.pointerId);
    brush.begin(event);
  } else if (name === "text") {
    if ($("words").value.trim()) await brush.stick(event, drawWords($("words").value, $("colour").value));
  } else {
    const [file] = $("file").files;
    if (!file) return say("Choose a picture first; then click where it belongs.");
    await brush.stick(event, await createImageBitmap(file));
  }
  dirty = true;
}

picture.addEventListener("pointerdown", (event) => pointed(event).catch((error) => say(error.message)));
picture.addEventListener("pointermove", (event) => { if (brush?.stroke) { brush.move(event); dirty = true; } });
for (const kind of ["pointerup", "pointercancel"]) picture.addEventListener(kind, () => { brush?.end(); dirty = true; });

// ---- controls ----

function setWipe(share) {
  viewer.state.wipe = Math.min(1, Math.max(0, share));
  wipe.style.left = `${100 * viewer.state.wipe}%`;
  wipe.setAttribute("aria-valuenow", Math.round(100 * viewer.state.wipe));
  dirty = true;
}

function compare(on) {
  $("compare").checked = on;
  wipe.hidden = !on;
  setWipe(on ? 0.5 : 0);
}

$("play").addEventListener("click", () => play(!playing));
$("time").addEventListener("input", () => { play(false); seek(Number($("time").value)); });
$("compare").addEventListener("change", (event) => compare(event.target.checked));
$("overlay").addEventListener("change", (event) => { viewer.state.overlay = Number(event.target.value); dirty = true; });
$("mute").addEventListener("click", () => {
  sound.muted = !sound.muted;
  $("mute").setAttribute("aria-pressed", String(!sound.muted));
});
$("keyframe").addEventListener("click", () => {
  play(false);
  trigger("keyframe", { frame: viewer?.state.frame ?? 0 });
});
$("undo").addEventListener("click", () => trigger("undo", { clip: shown.clip }));
$("redo").addEventListener("click", () => trigger("redo", { clip: shown.clip }));
for (const radio of element.querySelectorAll("[name=sv-tool]")) radio.addEventListener("change", () => { root.dataset.tool = radio.value; });
wipe.addEventListener("pointerdown", (event) => wipe.setPointerCapture(event.pointerId));
wipe.addEventListener("pointermove", (event) => {
  if (!event.buttons) return;
  const box = picture.getBoundingClientRect();
  setWipe((event.clientX - box.left) / box.width);
});
wipe.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
  if (step) { event.preventDefault(); setWipe(viewer.state.wipe + step); }
});
root.addEventListener("keydown", (event) => {
  if (event.target !== root || !viewer?.layers) return;
  const { frame } = viewer.state, { frames } = viewer.layers;
  if (event.key === " ") play(!playing);
  else if (event.key === "ArrowLeft") { play(false); seek((frame + frames - 1) % frames); }
  else if (event.key === "ArrowRight") { play(false); seek((frame + 1) % frames); }
  else return;
  event.preventDefault();
});

$("tools").addEventListener("submit", (event) => event.preventDefault());
root.dataset.tool = "look";
new IntersectionObserver(([entry]) => {
  const before = visible;
  visible = entry.isIntersecting && !ended;
  if (!element.isConnected) close();
  else if (visible && !before) { dirty = true; goOn(); }
}).observe(picture);
new ResizeObserver(() => { dirty = true; }).observe(picture);
watch("value", () => load(props.value));
load(props.value);
goOn();
