// Painting on the playing clip, or on an atlas that is shown: what the pointer does becomes strokes on an atlas.

const MOST_POINTS = 400; // of a stroke; a longer one goes on as another
const LEAST_STEP = 0.3; // of the radius, between points
const STICKER_PX = 512; // the longer side of a sticker's picture, at most

class Brush {
  // `tool()` gives the tool's settings, `done(stroke)` takes what is to be kept.
  constructor(viewer, tool, done) {
    Object.assign(this, { viewer, tool, done, stroke: null });
  }

  // A pointer's place in pixels of the clip.
  place(event) {
    const box = this.viewer.canvas.getBoundingClientRect(), [rows, columns] = this.viewer.layers.size;
    return [(event.clientX - box.left) / box.width * columns - 0.5, (event.clientY - box.top) / box.height * rows - 0.5];
  }

  layerAt(x, y) {
    const { layers, state, shownAtlas } = this.viewer;
    return shownAtlas || this.tool().layer || (layers.alphaAt(state.frame, x, y) > 0.5 ? "foreground" : "background");
  }

  begin(event) {
    const [x, y] = this.place(event), { tool, colour, size, softness, opacity } = this.tool();
    const { viewer } = this, layer = this.layerAt(x, y);
    const radius = Math.max(0.75, size / 2 * viewer.texelsAPixel(layer, x, y));
    this.stroke = { tool, layer, points: [viewer.uv(layer, x, y)], radius, colour, softness, opacity };
    viewer.brushes[layer] = [...colour, tool === "eraser" ? -opacity : opacity];
    this.lay(0);
  }

  move(event) {
    if (!this.stroke) return;
    const { viewer } = this, { layer, points, radius } = this.stroke;
    const next = viewer.uv(layer, ...this.place(event)), last = points[points.length - 1];
    const [rows, columns] = viewer.layers.layers[layer].atlas;
    if (Math.hypot((next[0] - last[0]) * columns, (next[1] - last[1]) * rows) < LEAST_STEP * radius) return;
    points.push(next);
    this.lay(points.length - 2);
    if (points.length >= MOST_POINTS) {
      const { layer: on, brushes } = { layer, brushes: [...this.viewer.brushes[layer]] };
      const rest = { ...this.stroke, points: [next] };
      this.end();
      this.viewer.brushes[on] = brushes;
      this.stroke = rest;
      this.lay(0);
    }
  }

  lay(from) {
    const { layer, points, radius, softness } = this.stroke;
    this.viewer.cover(layer, points[from], points[Math.min(from + 1, points.length - 1)], radius, softness);
  }

  end() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    this.viewer.join(stroke.layer);
    this.done(stroke);
  }

  // Lines up a sticker with the picture: its sides follow the picture's rows and columns where it is put.
  async stick(event, source) {
    const [x, y] = this.place(event), { size, opacity } = this.tool();
    const { viewer } = this, layer = this.layerAt(x, y);
    const scale = Math.min(1, STICKER_PX / Math.max(source.width, source.height));
    const flatPicture = new OffscreenCanvas(Math.max(1, Math.round(source.width * scale)), Math.max(1, Math.round(source.height * scale)));
    flatPicture.getContext("2d").drawImage(source, 0, 0, flatPicture.width, flatPicture.height);
    const high = 3 * size, wide = high * source.width / source.height;
    const side = (dx, dy) => {
      const [one, other] = [viewer.uv(layer, x - dx / 2, y - dy / 2), viewer.uv(layer, x + dx / 2, y + dy / 2)];
      return [other[0] - one[0], other[1] - one[1]];
    };
    const stroke = { tool: "sticker", layer, at: viewer.uv(layer, x, y), across: side(wide, 0), down: side(0, high), opacity };
    this.viewer.stick(layer, await createImageBitmap(flatPicture, { colorSpaceConversion: "none" }), stroke);
    const blob = await flatPicture.convertToBlob({ type: "image/png" });
    this.done({ ...stroke, picture: await asBase64(blob) });
  }
}

async function asBase64(blob) {
  const reader = new FileReader();
  await new Promise((resolve, reject) => Object.assign(reader, { onload: resolve, onerror: reject }).readAsDataURL(blob));
  return reader.result.split(",")[1];
}

// Words as a picture to stick on, white-rimmed so that they can be read on anything.
function drawWords(words, colour) {
  const canvas = new OffscreenCanvas(8, 8), height = 96;
  const font = `700 ${height * 0.7}px system-ui, sans-serif`;
  const measure = canvas.getContext("2d");
  measure.font = font;
  canvas.width = Math.min(2048, Math.ceil(measure.measureText(words).width) + 32);
  canvas.height = height;
  const context = canvas.getContext("2d");
  Object.assign(context, { font, textBaseline: "middle", lineJoin: "round", lineWidth: 10, strokeStyle: "#ffffffd0", fillStyle: colour });
  context.strokeText(words, 16, height / 2);
  context.fillText(words, 16, height / 2);
  return canvas;
}
