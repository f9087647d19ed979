// The programs that run on the graphics card. One home for each formula: what stands here once is what
// stablevideo/layers/coords.py, layer.py and edit/strokes.py say in Python.

const FULL = `#version 300 es
void main() {  // one triangle that covers all
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

const COMPOSITE = `#version 300 es
precision highp float; precision highp int; precision highp isampler2DArray; precision highp usampler2DArray;
precision highp sampler2DArray;
struct Lattice { float stride; vec2 low; vec2 unit; };
uniform isampler2DArray u_frontNodes, u_backNodes;
uniform usampler2DArray u_frontLight, u_backLight;
uniform sampler2DArray u_alpha;
uniform sampler2D u_front, u_back, u_frontOriginal, u_backOriginal, u_frontStroke, u_backStroke;
uniform Lattice u_frontLattice, u_backLattice;
uniform bool u_frontLit, u_backLit;
uniform vec4 u_frontBrush, u_backBrush;  // colour and strength; strength below 0 brings the original back
uniform vec2 u_clip, u_drawn;  // sizes in pixels: the clip's own, and what is drawn
uniform int u_frame, u_overlay;
uniform float u_wipe, u_lod;
uniform vec2 u_fit;  // of an atlas that is shown itself, as the layers' "fit" says
out vec4 o_colour;

vec4 cubic(float f) {  // Catmull-Rom
  float s = f * f, c = s * f;
  return vec4(-0.5 * f + s - 0.5 * c, 1.0 - 2.5 * s + 1.5 * c, 0.5 * f + 2.0 * s - 1.5 * c, 0.5 * c - 0.5 * s);
}

vec2 nodeAt(isampler2DArray nodes, ivec2 node) {
  return vec2(texelFetch(nodes, ivec3(node, u_frame), 0).xy);
}

vec2 uvAt(isampler2DArray nodes, Lattice lattice, vec2 pixel) {
  ivec2 last = textureSize(nodes, 0).xy - 1;
  vec2 at = clamp(pixel / lattice.stride + 1.0, vec2(0.0), vec2(last));
  ivec2 first = min(ivec2(at), max(last - 1, 0));
  vec2 f = at - vec2(first), sum = vec2(0.0);
  if (lattice.stride <= 2.0) {  // so fine that cubic tells no difference (0.2 dB at 57), and takes twice as long
    ivec2 next = min(first + 1, last);
    vec2 above = mix(nodeAt(nodes, first), nodeAt(nodes, ivec2(next.x, first.y)), f.x);
    vec2 below = mix(nodeAt(nodes, ivec2(first.x, next.y)), nodeAt(nodes, next), f.x);
    sum = mix(above, below, f.y);
  } else {
    vec4 across = cubic(f.x), down = cubic(f.y);
    for (int j = 0; j < 4; j++) for (int i = 0; i < 4; i++) {
      ivec2 node = clamp(first + ivec2(i - 1, j - 1), ivec2(0), last);
      sum += across[i] * down[j] * nodeAt(nodes, node);
    }
  }
  return ((sum + 32768.0) * lattice.unit + lattice.low) * 0.5 + 0.5;
}

vec3 lightAt(usampler2DArray light, vec2 place) {
  vec2 count = vec2(textureSize(light, 0).xy);
  vec2 at = clamp(place * count - 0.5, vec2(0.0), count - 1.0);
  ivec2 last = ivec2(count) - 1, first = min(ivec2(at), max(last - 1, 0));
  vec4 across = cubic(at.x - float(first.x)), down = cubic(at.y - float(first.y));
  vec3 sum = vec3(0.0);
  for (int j = 0; j < 4; j++) for (int i = 0; i < 4; i++) {
    ivec2 node = clamp(first + ivec2(i - 1, j - 1), ivec2(0), last);
    sum += across[i] * down[j] * vec3(texelFetch(light, ivec3(node, u_frame), 0).xyz);
  }
  return sum / 8192.0;
}

vec3 seen(sampler2D atlas, sampler2D original, sampler2D stroke, vec4 brush, vec2 uv, bool before, float lod) {
  if (before) return textureLod(original, uv, lod).rgb;
  vec3 now = textureLod(atlas, uv, lod).rgb;
  if (brush.a == 0.0) return now;  // no stroke is under way: two pictures less to look up
  float share = abs(brush.a) * textureLod(stroke, uv, 0.0).r;
  return mix(now, brush.a < 0.0 ? textureLod(original, uv, lod).rgb : brush.rgb, share);
}

vec3 atlasAt(sampler2D atlas, sampler2D original, sampler2D stroke, vec4 brush, vec2 place, bool before) {
  vec2 uv = (place - 0.5) * u_fit + 0.5;
  if (any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0)))) return vec3(0.08);
  float lod = max(0.0, log2(float(textureSize(atlas, 0).x) * u_fit.x / u_drawn.x));
  return seen(atlas, original, stroke, brush, uv, before, lod);
}

vec3 drawnOver(vec3 colour, vec2 uv, vec2 texels, float edited, bool front, float alpha) {
  if (u_overlay == 1) {
    ivec2 square = ivec2(floor(uv * texels / 32.0));
    return mix(colour, vec3((square.x + square.y) % 2 == 0 ? 0.92 : 0.12), 0.6);
  }
  if (u_overlay == 2) return mix(colour * 0.45, vec3(0.1, 0.85, 0.55), 0.55 * alpha);
  if (u_overlay == 3) {
    vec2 at = uv * texels / 24.0, wide = fwidth(at);
    vec2 line = abs(fract(at - 0.5) - 0.5) / max(wide, vec2(1e-4));
    return mix(front ? vec3(1.0, 0.85, 0.2) : vec3(0.3, 0.75, 1.0), colour, clamp(min(line.x, line.y), 0.25, 1.0));
  }
  if (u_overlay == 4) return mix(colour * 0.45, vec3(0.95, 0.4, 0.75), 0.6 * edited);
  return colour;
}

float change(sampler2D atlas, sampler2D original, vec2 uv) {
  vec3 off = abs(textureLod(atlas, uv, u_lod).rgb - textureLod(original, uv, u_lod).rgb);
  return clamp(8.0 * max(off.r, max(off.g, off.b)) - 0.1, 0.0, 1.0);
}

void main() {
  vec2 place = gl_FragCoord.xy / u_drawn;
  place.y = 1.0 - place.y;
  vec2 pixel = place * u_clip - 0.5;
  bool before = place.x < u_wipe;
  if (u_overlay == 5 || u_overlay == 6) {
    o_colour = vec4(u_overlay == 5 ? atlasAt(u_front, u_frontOriginal, u_frontStroke, u_frontBrush, place, before)
                                   : atlasAt(u_back, u_backOriginal, u_backStroke, u_backBrush, place, before), 1.0);
    return;
  }
  float alpha = texture(u_alpha, vec3(place, float(u_frame))).r;
  vec3 colour = vec3(0.0);
  float edited = 0.0;
  vec2 backUv = vec2(0.0);
  if (alpha < 1.0 || u_overlay > 0) {
    backUv = uvAt(u_backNodes, u_backLattice, pixel);
    colour = seen(u_back, u_backOriginal, u_backStroke, u_backBrush, backUv, before, u_lod);
    if (u_backLit) colour *= lightAt(u_backLight, place);
    if (u_overlay == 4) edited = change(u_back, u_backOriginal, backUv);
  }
  vec2 frontUv = backUv;
  if (alpha > 0.0 || u_overlay == 3) frontUv = uvAt(u_frontNodes, u_frontLattice, pixel);
  if (alpha > 0.0) {
    vec3 front = seen(u_front, u_frontOriginal, u_frontStroke, u_frontBrush, frontUv, before, u_lod);
    if (u_frontLit) front *= lightAt(u_frontLight, place);
    colour = mix(colour, front, alpha);
    if (u_overlay == 4) edited = mix(edited, change(u_front, u_frontOriginal, frontUv), alpha);
  }
  if (u_overlay > 0) {
    bool front = alpha > 0.5;
    vec2 texels = vec2(front ? textureSize(u_front, 0) : textureSize(u_back, 0));
    colour = drawnOver(colour, front ? frontUv : backUv, texels, edited, front, alpha);
  }
  o_colour = vec4(clamp(colour, 0.0, 1.0), 1.0);
}`;

// One straight piece of a stroke, with round ends: how much of each texel it covers.
const SEGMENT = `#version 300 es
uniform vec2 u_from, u_to, u_texels;
uniform float u_radius;
out vec2 v_texel;
void main() {
  vec2 along = u_to - u_from, direction = length(along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
  vec2 aside = vec2(-direction.y, direction.x);
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  vec2 end = corner.x < 0.0 ? u_from : u_to;
  v_texel = end + (corner.x * direction + corner.y * aside) * (u_radius + 1.0);
  gl_Position = vec4(v_texel / u_texels * 2.0 - 1.0, 0.0, 1.0);
}`;

const COVER = `#version 300 es
precision highp float;
uniform vec2 u_from, u_to;
uniform float u_radius, u_softness;
in vec2 v_texel;
out vec4 o_cover;
void main() {
  vec2 along = u_to - u_from, off = v_texel - u_from;
  float at = clamp(dot(off, along) / max(dot(along, along), 1e-9), 0.0, 1.0);
  float inner = max(0.0, min(u_radius * (1.0 - u_softness), u_radius - 1.0));
  float share = clamp((u_radius - length(off - at * along)) / (u_radius - inner), 0.0, 1.0);
  o_cover = vec4(share * share * (3.0 - 2.0 * share));
}`;

// A finished stroke joins the atlas: colour where it covers, by blending.
const JOIN = `#version 300 es
precision highp float;
uniform sampler2D u_cover, u_original;
uniform vec4 u_brush;
out vec4 o_colour;
void main() {
  ivec2 texel = ivec2(gl_FragCoord.xy);
  vec3 colour = u_brush.a < 0.0 ? texelFetch(u_original, texel, 0).rgb : u_brush.rgb;
  o_colour = vec4(colour, abs(u_brush.a) * texelFetch(u_cover, texel, 0).r);
}`;

// A picture stuck on the atlas: its middle and its two sides, in uv; colours come multiplied by alpha.
const STICK = `#version 300 es
uniform vec2 u_middle, u_across, u_down;
out vec2 v_place;
void main() {
  v_place = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 uv = u_middle + (v_place.x - 0.5) * u_across + (v_place.y - 0.5) * u_down;
  gl_Position = vec4(uv * 2.0 - 1.0, 0.0, 1.0);
}`;

const STUCK = `#version 300 es
precision highp float;
uniform sampler2D u_sticker;
uniform float u_strength;
in vec2 v_place;
out vec4 o_colour;
void main() { o_colour = texture(u_sticker, v_place) * u_strength; }`;
