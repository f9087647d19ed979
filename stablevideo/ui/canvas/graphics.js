// WebGL2 without its ceremony: programs and textures.

function compile(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program));
  }
  const places = {};
  return { program, at: (name) => (places[name] ??= gl.getUniformLocation(program, name)) };
}

function setFilter(gl, target, filter) {
  for (const which of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(target, which, filter);
  for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(target, wrap, gl.CLAMP_TO_EDGE);
}

// One layer of the texture for each frame.
function frameStack(gl, internal, format, type, [rows, columns], frames, data, filter) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
  setFilter(gl, gl.TEXTURE_2D_ARRAY, filter);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, internal, columns, rows, frames, 0, format, type, data);
  return texture;
}

// A picture that can be drawn into; `picture` is an ImageBitmap, or [rows, columns] for an empty one.
function flat(gl, internal, format, picture) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  setFilter(gl, gl.TEXTURE_2D, gl.LINEAR);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const [rows, columns] = Array.isArray(picture) ? picture : [picture.height, picture.width];
  if (Array.isArray(picture)) gl.texImage2D(gl.TEXTURE_2D, 0, internal, columns, rows, 0, format, gl.UNSIGNED_BYTE, null);
  else gl.texImage2D(gl.TEXTURE_2D, 0, internal, format, gl.UNSIGNED_BYTE, picture);
  return { texture, rows, columns };
}

function makeMipmaps(gl, picture) {
  gl.bindTexture(gl.TEXTURE_2D, picture.texture);
  gl.generateMipmap(gl.TEXTURE_2D);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
}

async function fetchBytes(url, signal) {
  const answer = await fetch(url, { signal, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${answer.status} for ${new URL(url, location).pathname}`);
  return answer;
}

// PNG to pixels as they are: no colour management, no multiplication by alpha.
async function fetchPicture(url, signal) {
  const blob = await (await fetchBytes(url, signal)).blob();
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

async function fetchInflated(url, signal) {
  const answer = await fetchBytes(url, signal);
  return new Response(answer.body.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}
