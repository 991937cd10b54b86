/** What a sample video shows: a shader's pictures, or people who sway. */
export interface Recipe {
  width: number
  height: number
  frames: number
  frameRate: number
  /** Bits in a second. */
  bitrate: number
  /** A fragment shader of `phase`, 0 to 1, and `size`. */
  shader?: string
  /** RGB bytes of square pictures. */
  people?: { size: number; pixels: readonly (readonly number[])[] }
}

/** Runs in a page, and so uses nothing from outside of itself: draws the frames and encodes them as VP9. */
export const encode = async ({ width, height, frames, frameRate, bitrate, shader, people }: Recipe) => {
  const canvas = Object.assign(document.createElement('canvas'), { width, height })

  const shaded = (source: string): ((phase: number) => void) => {
    const gl = canvas.getContext('webgl2', { preserveDrawingBuffer: true })!
    const program = gl.createProgram()
    const add = (type: number, text: string): void => {
      const part = gl.createShader(type)!
      gl.shaderSource(part, text)
      gl.compileShader(part)
      if (!gl.getShaderParameter(part, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(part) ?? 'shader')
      gl.attachShader(program, part)
    }
    // One triangle that covers the picture.
    add(
      gl.VERTEX_SHADER,
      '#version 300 es\nvoid main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1); }',
    )
    add(gl.FRAGMENT_SHADER, source)
    gl.linkProgram(program)
    gl.useProgram(program)
    gl.uniform2f(gl.getUniformLocation(program, 'size'), width, height)
    const phaseAt = gl.getUniformLocation(program, 'phase')
    return phase => {
      gl.uniform1f(phaseAt, phase)
      gl.drawArrays(gl.TRIANGLES, 0, 3)
      gl.finish()
    }
  }

  /** Each in turn, fading into the next, all swaying a little. */
  const swaying = ({ size, pixels }: NonNullable<Recipe['people']>): ((phase: number) => void) => {
    const context = canvas.getContext('2d')!
    const pictures = pixels.map(rgb => {
      const picture = Object.assign(document.createElement('canvas'), { width: size, height: size })
      const data = new ImageData(size, size)
      for (let i = 0; i < size * size; i++) data.data.set([rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!, 255], 4 * i)
      picture.getContext('2d')!.putImageData(data, 0, 0)
      return picture
    })
    const turn = 2 * Math.PI
    return phase => {
      const at = phase * pictures.length
      const [now, into] = [Math.floor(at), at % 1]
      const scale = 1.05 + 0.02 * Math.sin(turn * 2 * phase)
      const x = 0.018 * Math.sin(turn * 3 * phase)
      const y = 0.012 * Math.sin(turn * 5 * phase)
      context.imageSmoothingEnabled = false
      context.setTransform(
        scale * width,
        0,
        0,
        scale * height,
        (0.5 - scale / 2 + x) * width,
        (0.5 - scale / 2 + y) * height,
      )
      context.globalAlpha = 1
      context.drawImage(pictures[now % pictures.length]!, 0, 0, 1, 1)
      context.globalAlpha = Math.max(0, (into - 0.9) / 0.1)
      context.drawImage(pictures[(now + 1) % pictures.length]!, 0, 0, 1, 1)
    }
  }

  const draw = shader === undefined ? swaying(people!) : shaded(shader)
  const encoded: { base64: string; timeMs: number; key: boolean }[] = []
  let failure: unknown
  const encoder = new VideoEncoder({
    output: chunk => {
      const data = new Uint8Array(chunk.byteLength)
      chunk.copyTo(data)
      const base64 = btoa(Array.from(data, byte => String.fromCharCode(byte)).join(''))
      encoded.push({ base64, timeMs: chunk.timestamp / 1000, key: chunk.type === 'key' })
    },
    error: error => {
      failure = error
    },
  })
  encoder.configure({ codec: 'vp09.00.21.08', width, height, bitrate, framerate: frameRate, latencyMode: 'quality' })
  for (let i = 0; i < frames; i++) {
    draw(i / frames)
    const frame = new VideoFrame(canvas, { timestamp: (i * 1e6) / frameRate, duration: 1e6 / frameRate })
    encoder.encode(frame, { keyFrame: i === 0 })
    frame.close()
    while (encoder.encodeQueueSize > 4) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await encoder.flush()
  if (failure !== undefined) throw failure
  return encoded
}
