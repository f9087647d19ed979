// Draws a clip from its layers with WebGL2, and what is painted on them.

const LARGEST = 2; // what is drawn is at most that many times as large as the clip

class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("this browser has no WebGL2");
    this.state = { frame: 0, overlay: 0, wipe: 0 };
    this.brushes = { foreground: [0, 0, 0, 0], background: [0, 0, 0, 0] };
    this.compilePrograms();
  }

  compilePrograms() {
    const { gl } = this;
    this.programs = { composite: compile(gl, FULL, COMPOSITE), cover: compile(gl, SEGMENT, COVER), join: compile(gl, FULL, JOIN), stick: compile(gl, STICK, STUCK) };
    this.target = gl.createFramebuffer();
  }

  // New layers: all textures are made anew.
  show(layers, pictures) {
    const { gl } = this;
    this.forget();
    this.layers = layers;
    const { facts, frames } = layers;
    if (frames > gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS)) throw new Error(`${frames} frames are too many to draw here`);
    this.stacks = { alpha: frameStack(gl, gl.R8, gl.RED, gl.UNSIGNED_BYTE, facts.alpha.size, frames, layers.alpha, gl.LINEAR) };
    const whole = [gl.RGBA16UI, gl.RGBA_INTEGER, gl.UNSIGNED_SHORT];
    for (const name of LAYERS) {
      const { shape, values, factors, lightShape } = layers.layers[name];
      const nodes = frameStack(gl, gl.RG16I, gl.RG_INTEGER, gl.SHORT, shape, frames, values, gl.NEAREST);
      const light = factors ? frameStack(gl, ...whole, lightShape, frames, factors, gl.NEAREST)
        : frameStack(gl, ...whole, [1, 1], 1, new Uint16Array(4), gl.NEAREST);
      Object.assign(this.stacks, { [`${name}Nodes`]: nodes, [`${name}Light`]: light });
    }
    this.pictures = {};
    for (const name of LAYERS) this.showAtlas(name, pictures[name]);
  }

  // Another atlas for a layer: its original, and what is over it by now, with its upper left corner there.
  showAtlas(name, { original, edited, corner }) {
    const { gl } = this;
    for (const old of Object.values(this.pictures[name] ?? {})) gl.deleteTexture(old.texture);
    const made = { original: flat(gl, gl.RGBA8, gl.RGBA, original), now: flat(gl, gl.RGBA8, gl.RGBA, original) };
    if (edited) gl.texSubImage2D(gl.TEXTURE_2D, 0, corner[0], corner[1], gl.RGBA, gl.UNSIGNED_BYTE, edited);
    made.cover = flat(gl, gl.R8, gl.RED, [made.now.rows, made.now.columns]);
    for (const picture of [made.original, made.now]) makeMipmaps(gl, picture);
    this.pictures[name] = made;
    this.clearCover(name);
  }

  // The layer whose atlas is shown in place of the clip.
  get shownAtlas() {
    return { 5: "foreground", 6: "background" }[this.state.overlay];
  }

  // uv of a place of the picture, in the clip's own pixels.
  uv(name, x, y) {
    const { layers, state } = this, [rows, columns] = layers.size;
    if (!this.shownAtlas) return layers.uv(name, state.frame, x, y);
    const fit = layers.fit(name);
    return [((x + 0.5) / columns - 0.5) * fit[0] + 0.5, ((y + 0.5) / rows - 0.5) * fit[1] + 0.5];
  }

  texelsAPixel(name, x, y) {
    const { layers, state } = this;
    if (!this.shownAtlas) return layers.texelsAPixel(name, state.frame, x, y);
    return layers.layers[name].atlas[1] * layers.fit(name)[0] / layers.size[1];
  }

  forget() {
    const { gl } = this;
    for (const stack of Object.values(this.stacks ?? {})) gl.deleteTexture(stack);
    for (const layer of Object.values(this.pictures ?? {})) for (const each of Object.values(layer)) gl.deleteTexture(each.texture);
    [this.stacks, this.pictures, this.layers] = [null, null, null];
  }

  resize(cssWidth) {
    const [rows, columns] = this.layers.size;
    const wanted = Math.round(cssWidth * (window.devicePixelRatio || 1));
    const width = Math.max(1, Math.min(wanted, LARGEST * columns)), height = Math.max(1, Math.round(width * rows / columns));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
  }

  draw() {
    const { gl, layers, stacks, pictures, state } = this;
    if (!layers || gl.isContextLost()) return;
    const { program, at } = this.programs.composite;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.disable(gl.BLEND);
    gl.useProgram(program);
    let unit = 0;
    const bind = (name, target, texture) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, texture);
      gl.uniform1i(at(name), unit++);
    };
    bind("u_alpha", gl.TEXTURE_2D_ARRAY, stacks.alpha);
    for (const [name, word] of [["foreground", "front"], ["background", "back"]]) {
      const layer = layers.layers[name], { original, now, cover } = pictures[name];
      bind(`u_${word}Nodes`, gl.TEXTURE_2D_ARRAY, stacks[`${name}Nodes`]);
      bind(`u_${word}Light`, gl.TEXTURE_2D_ARRAY, stacks[`${name}Light`]);
      bind(`u_${word}`, gl.TEXTURE_2D, now.texture);
      bind(`u_${word}Original`, gl.TEXTURE_2D, original.texture);
      bind(`u_${word}Stroke`, gl.TEXTURE_2D, cover.texture);
      gl.uniform1f(at(`u_${word}Lattice.stride`), layer.stride);
      gl.uniform2fv(at(`u_${word}Lattice.low`), layer.low);
      gl.uniform2fv(at(`u_${word}Lattice.unit`), layer.step);
      gl.uniform1i(at(`u_${word}Lit`), layer.factors ? 1 : 0);
      gl.uniform4fv(at(`u_${word}Brush`), this.brushes[name]);
    }
    gl.uniform2f(at("u_clip"), layers.size[1], layers.size[0]);
    gl.uniform2f(at("u_drawn"), this.canvas.width, this.canvas.height);
    gl.uniform1i(at("u_frame"), state.frame);
    gl.uniform1i(at("u_overlay"), state.overlay);
    gl.uniform2fv(at("u_fit"), layers.fit(this.shownAtlas ?? "foreground"));
    gl.uniform1f(at("u_wipe"), state.wipe);
    gl.uniform1f(at("u_lod"), Math.max(0, Math.log2(layers.size[1] / this.canvas.width)));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  into({ texture, rows, columns }, { program, at }) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.viewport(0, 0, columns, rows);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    return at;
  }

  // Lay a piece of a stroke: from one uv to another, the radius in texels of the whole atlas.
  cover(name, from, to, radius, softness) {
    const { gl } = this, { cover } = this.pictures[name], whole = this.layers.layers[name].atlas;
    const at = this.into(cover, this.programs.cover), scale = cover.columns / whole[1];
    gl.blendEquation(gl.MAX);
    gl.uniform2f(at("u_from"), from[0] * cover.columns, from[1] * cover.rows);
    gl.uniform2f(at("u_to"), to[0] * cover.columns, to[1] * cover.rows);
    gl.uniform2f(at("u_texels"), cover.columns, cover.rows);
    gl.uniform1f(at("u_radius"), radius * scale);
    gl.uniform1f(at("u_softness"), softness);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.blendEquation(gl.FUNC_ADD);
  }

  // Let what the strokes cover join the atlas.
  join(name) {
    const { gl } = this, { now, original, cover } = this.pictures[name];
    const at = this.into(now, this.programs.join);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    [["u_cover", cover], ["u_original", original]].forEach(([uniform, picture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, picture.texture);
      gl.uniform1i(at(uniform), unit);
    });
    gl.uniform4fv(at("u_brush"), this.brushes[name]);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    makeMipmaps(gl, now);
    this.clearCover(name);
  }

  // Stick a picture (an ImageBitmap multiplied by its alpha) on an atlas; its middle and sides are in uv.
  stick(name, bitmap, { at: middle, across, down, opacity }) {
    const { gl } = this, { now } = this.pictures[name];
    const sticker = flat(gl, gl.RGBA8, gl.RGBA, bitmap);
    makeMipmaps(gl, sticker);
    const at = this.into(now, this.programs.stick);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, sticker.texture);
    gl.uniform1i(at("u_sticker"), 0);
    gl.uniform1f(at("u_strength"), opacity);
    gl.uniform2fv(at("u_middle"), middle);
    gl.uniform2fv(at("u_across"), across);
    gl.uniform2fv(at("u_down"), down);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.deleteTexture(sticker.texture);
    makeMipmaps(gl, now);
  }

  clearCover(name) {
    const { gl } = this;
    this.into(this.pictures[name].cover, this.programs.cover);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.brushes[name] = [0, 0, 0, 0];
  }

  close() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
