// A clip's layers: what was fetched (kept, for a lost context), and where pixels of frames lie on atlases.

const LAYERS = ["foreground", "background"];

class Layers {
  static async fetch(facts, signal) {
    const bytes = await fetchInflated(facts.file.url, signal);
    const layers = {};
    for (const name of LAYERS) {
      const layer = facts.layers[name];
      const [first, count] = layer.nodes;
      layers[name] = { ...layer, values: new Int16Array(bytes, first, count / 2) };
      if (layer.light) layers[name].factors = new Uint16Array(bytes, layer.light[0], layer.light[1] / 2);
    }
    const [first, count] = facts.alpha.at;
    return new Layers(facts, layers, new Uint8Array(bytes, first, count));
  }

  constructor(facts, layers, alpha) {
    Object.assign(this, { facts, layers, alpha, size: facts.size, frames: facts.frames, fps: facts.fps });
  }

  // uv in [0, 1] of a place in a frame, in the clip's own pixels; as `uvAt` of the shaders.
  uv(name, frame, x, y) {
    const { values, shape: [rows, columns], stride, low, step } = this.layers[name];
    const clamp = (value, high) => Math.min(Math.max(value, 0), high);
    const cubic = (f) => [-0.5 * f + f ** 2 - 0.5 * f ** 3, 1 - 2.5 * f ** 2 + 1.5 * f ** 3,
      0.5 * f + 2 * f ** 2 - 1.5 * f ** 3, 0.5 * f ** 3 - 0.5 * f ** 2];
    const [ax, ay] = [clamp(x / stride + 1, columns - 1), clamp(y / stride + 1, rows - 1)];
    const [fx, fy] = [Math.min(Math.floor(ax), columns - 2), Math.min(Math.floor(ay), rows - 2)];
    const [across, down] = [cubic(ax - fx), cubic(ay - fy)];
    const sum = [0, 0];
    for (let j = 0; j < 4; j++) for (let i = 0; i < 4; i++) {
      const row = clamp(fy + j - 1, rows - 1), column = clamp(fx + i - 1, columns - 1);
      const at = 2 * ((frame * rows + row) * columns + column), weight = across[i] * down[j];
      sum[0] += weight * values[at];
      sum[1] += weight * values[at + 1];
    }
    return [0, 1].map((axis) => ((sum[axis] + 32768) * step[axis] + low[axis]) * 0.5 + 0.5);
  }

  // How many texels of the whole atlas lie along a pixel there, the mean over directions.
  texelsAPixel(name, frame, x, y) {
    const [high, wide] = this.layers[name].atlas;
    const [here, right, below] = [[x, y], [x + 1, y], [x, y + 1]].map(([px, py]) => this.uv(name, frame, px, py));
    const [ax, ay] = [(right[0] - here[0]) * wide, (right[1] - here[1]) * high];
    const [bx, by] = [(below[0] - here[0]) * wide, (below[1] - here[1]) * high];
    return Math.sqrt(Math.abs(ax * by - ay * bx));
  }

  // How an atlas lies in the picture where it is shown itself: a place p of the picture, in [0, 1], is the atlas's
  // (p - 0.5) * fit + 0.5.
  fit(name) {
    const [high, wide] = this.layers[name].atlas, wider = this.size[1] / this.size[0] * high / wide;
    return [Math.max(1, wider), Math.max(1, 1 / wider)];
  }

  alphaAt(frame, x, y) {
    const [rows, columns] = this.facts.alpha.size;
    const row = Math.min(rows - 1, Math.max(0, Math.floor((y + 0.5) / this.size[0] * rows)));
    const column = Math.min(columns - 1, Math.max(0, Math.floor((x + 0.5) / this.size[1] * columns)));
    return this.alpha[(frame * rows + row) * columns + column] / 255;
  }
}
