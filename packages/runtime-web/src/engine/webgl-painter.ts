import type { GPUData, Tensor3D } from '@tensorflow/tfjs-core'
import type { Painter } from './gpu-surface.js'

/** The part of tfjs's WebGL backend that is used here. */
export interface WebglBackend {
  gpgpu: { gl: WebGL2RenderingContext }
}

/** One triangle that covers the canvas. */
const vertexSource = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1);
  gl_Position = vec4(corner, 0, 1);
}`

/** tfjs hands out tensors as textures whose texels hold four values that follow each other. */
const fragmentSource = `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D values;
uniform ivec2 size;
uniform int channels;
out vec4 colour;
float valueAt(int i) {
  int texel = i >> 2;
  int width = textureSize(values, 0).x;
  return texelFetch(values, ivec2(texel % width, texel / width), 0)[i & 3];
}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int first = ((size.y - 1 - at.y) * size.x + at.x) * channels;
  float alpha = channels == 4 ? clamp(valueAt(first + 3), 0.0, 1.0) : 1.0;
  vec3 rgb = clamp(vec3(valueAt(first), valueAt(first + 1), valueAt(first + 2)), 0.0, 1.0);
  colour = vec4(rgb * alpha, alpha);
}`

const createProgram = (gl: WebGL2RenderingContext): WebGLProgram => {
  const program = gl.createProgram()
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vertexSource],
    [gl.FRAGMENT_SHADER, fragmentSource],
  ] as const) {
    const shader = gl.createShader(type)!
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    gl.attachShader(program, shader)
    // It lives as long as the program.
    gl.deleteShader(shader)
  }
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`a shader does not link: ${gl.getProgramInfoLog(program)}`)
  }
  return program
}

/** Between two looks at a fence, ms. A fence cannot change before the task ends. */
const pollMs = 1

/** Draws a tensor's texture on the canvas of tfjs's own context. */
export const webglPainter = (
  { gpgpu: { gl } }: WebglBackend,
  width: number,
  height: number,
  channels: 3 | 4,
): Painter => {
  if (channels === 4 && !gl.getContextAttributes()?.alpha) {
    throw new Error("the page's own WebGL context of tfjs has no alpha, which this effect needs; run it in a worker")
  }
  const program = createProgram(gl)
  const vertices = gl.createVertexArray()
  const canvas = gl.canvas as OffscreenCanvas

  const draw = ({ texture }: GPUData): void => {
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null)
    gl.viewport(0, 0, width, height)
    gl.scissor(0, 0, width, height)
    gl.useProgram(program)
    gl.bindVertexArray(vertices)
    gl.activeTexture(gl.TEXTURE0)
    gl.bindTexture(gl.TEXTURE_2D, texture!)
    gl.uniform1i(gl.getUniformLocation(program, 'values'), 0)
    gl.uniform2i(gl.getUniformLocation(program, 'size'), width, height)
    gl.uniform1i(gl.getUniformLocation(program, 'channels'), channels)
    gl.drawArrays(gl.TRIANGLES, 0, 3)
    // tfjs binds all that it needs before each of its own programs, these aside.
    gl.bindTexture(gl.TEXTURE_2D, null)
    gl.bindVertexArray(null)
  }

  return {
    paint: (image: Tensor3D) => {
      const data = image.dataToGPU()
      draw(data)
      data.tensorRef.dispose()
      return canvas
    },
    done: () =>
      new Promise(resolve => {
        const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0)
        gl.flush()
        const look = (): void => {
          if (fence === null || gl.isContextLost() || gl.clientWaitSync(fence, 0, 0) !== gl.TIMEOUT_EXPIRED) {
            gl.deleteSync(fence)
            resolve()
          } else setTimeout(look, pollMs)
        }
        setTimeout(look, pollMs)
      }),
    lost: () => (gl.isContextLost() ? 'the WebGL context was lost' : undefined),
    dispose: () => {
      gl.deleteProgram(program)
      gl.deleteVertexArray(vertices)
    },
  }
}
