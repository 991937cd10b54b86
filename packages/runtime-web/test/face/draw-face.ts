type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

const shade = (context: Context, radius: number, inner: string, outer: string): CanvasGradient => {
  const gradient = context.createRadialGradient(-0.05, -0.1, 0, -0.05, -0.1, radius)
  gradient.addColorStop(0, inner)
  gradient.addColorStop(1, outer)
  return gradient
}

/**
 * Paints a face that MediaPipe's face mesh takes for one: everybody may use it, which cannot be said of photographs.
 *
 * @param x middle of its oval, as y is.
 * @param size the oval is 0.8 times as wide and 1.1 times as high.
 * @param roll radians, clockwise.
 */
export const drawFace = (context: Context, x: number, y: number, size: number, roll = 0): void => {
  const ellipse = (style: string | CanvasGradient, ex: number, ey: number, rx: number, ry: number): void => {
    context.fillStyle = style
    context.beginPath()
    context.ellipse(ex, ey, rx, ry, 0, 0, 2 * Math.PI)
    context.fill()
  }
  const arc = (style: string, width: number, ex: number, ey: number, rx: number, ry: number, from: number): void => {
    context.strokeStyle = style
    context.lineWidth = width
    context.beginPath()
    context.ellipse(ex, ey, rx, ry, 0, Math.PI * from, Math.PI * (3 - from))
    context.stroke()
  }
  context.save()
  context.translate(x, y)
  context.rotate(roll)
  context.scale(size, size)
  // Hair, neck, skin.
  ellipse('#3a2a20', 0, -0.12, 0.5, 0.62)
  context.fillStyle = '#b07a5c'
  context.fillRect(-0.2, 0.35, 0.4, 0.5)
  ellipse(shade(context, 0.75, '#f0c8a8', '#b9805f'), 0, 0, 0.4, 0.55)
  for (const side of [-0.165, 0.165]) {
    // Socket, white, iris, pupil, lid, brow.
    ellipse('rgb(110 60 40 / 35%)', side, -0.07, 0.115, 0.065)
    ellipse('#fff', side, -0.06, 0.07, 0.03)
    ellipse('#4a3020', side, -0.06, 0.03, 0.03)
    ellipse('#000', side, -0.06, 0.014, 0.014)
    arc('#2a1a10', 0.014, side, -0.06, 0.075, 0.035, 1)
    arc('#3a2a20', 0.03, side, -0.1, 0.1, 0.06, 1.1)
    // Nostril, cheek.
    ellipse('rgb(80 30 20 / 80%)', side / 4, 0.155, 0.02, 0.012)
    ellipse('rgb(220 120 100 / 25%)', side * 1.4, 0.12, 0.08, 0.06)
  }
  // Nose: its bridge is bright.
  const nose = context.createLinearGradient(-0.06, 0, 0.06, 0)
  nose.addColorStop(0, 'rgb(120 70 50 / 35%)')
  nose.addColorStop(0.5, 'rgb(255 230 210 / 50%)')
  nose.addColorStop(1, 'rgb(120 70 50 / 35%)')
  context.fillStyle = nose
  context.beginPath()
  context.moveTo(-0.03, -0.08)
  context.lineTo(0.03, -0.08)
  context.lineTo(0.065, 0.14)
  context.lineTo(-0.065, 0.14)
  context.fill()
  // Lips, and the shadow below them.
  ellipse('#b0504a', 0, 0.29, 0.13, 0.04)
  context.strokeStyle = '#6a2a28'
  context.lineWidth = 0.012
  context.beginPath()
  context.moveTo(-0.13, 0.29)
  context.quadraticCurveTo(0, 0.31, 0.13, 0.29)
  context.stroke()
  ellipse('rgb(110 60 40 / 25%)', 0, 0.36, 0.08, 0.02)
  context.restore()
}
