/** How the filter weighs calm against lag. */
export interface OneEuroOptions {
  /** Cutoff of the values while they stand still, Hz: lower is calmer. */
  minCutoff: number
  /** Hz that a cutoff rises for each unit a second that the values move: higher lags less. */
  beta: number
  /** Cutoff of the speed while the values stand still, Hz. */
  speedCutoff: number
  /** Units a second that count as standing still: the noise of the speed. */
  deadBand: number
  /** Seconds in which the filtered values should be where the measured ones are: what is farther off counts as moving. */
  catchUp: number
}

/** A filter of values that are measured together now and then. */
export interface OneEuro {
  /** Takes measurements. The first pass as they are; those not later than the last are ignored. */
  add(values: readonly number[], timeMs: number, units: readonly number[]): void
  /** The filtered values, carried on at their speed to `timeMs`. */
  at(timeMs: number): number[]
}

/** How far it is from `b` to `a`. */
export const difference = (a: number, b: number): number => a - b

/** The turn from `b` to `a` the short way, from -pi to pi. */
export const turn = (a: number, b: number): number => {
  const whole = 2 * Math.PI
  return a - b - whole * Math.round((a - b) / whole)
}

/** Weight of a new sample in a first-order low pass. */
const weight = (cutoff: number, seconds: number): number => {
  const phase = 2 * Math.PI * cutoff * seconds
  return phase / (phase + 1)
}

/**
 * A One Euro filter (Casiez, Roussel and Vogel 2012, 1 € Filter, section 3): a low pass whose cutoff rises with the speed,
 * so that what stands still is calm and what moves does not lag. Beyond the paper
 * - all values share one cutoff, by their speed together: one that turns round does not fall behind the others;
 * - below a dead band the cutoff stays, so that noise does not raise the cutoff that lets it pass;
 * - a lasting distance between measured and filtered values counts as speed, so that slow drifts are followed;
 * - what moves is moved on by the time that the low pass lags.
 *
 * @param minus for each value: `difference`, or `turn` for an angle.
 */
export const oneEuro = (
  minus: readonly (typeof difference)[],
  { minCutoff, beta, speedCutoff, deadBand, catchUp }: OneEuroOptions,
): OneEuro => {
  const zeros = minus.map(() => 0)
  let [filtered, raw, speed, behind] = [zeros, zeros, zeros, zeros]
  let time: number | undefined
  let lag = 0
  let moving = 0

  return {
    add: (values, timeMs, units) => {
      if (time === undefined) {
        filtered = raw = [...values]
        time = timeMs
        return
      }
      const seconds = (timeMs - time) / 1000
      if (seconds <= 0) return
      const length = (vector: readonly number[]): number => Math.hypot(...vector.map((value, i) => value / units[i]!))
      const rise = (): number => beta * Math.max(0, length(speed) + length(behind) / catchUp - deadBand)

      const quick = weight(speedCutoff + rise(), seconds)
      speed = speed.map((old, i) => old + quick * (minus[i]!(values[i]!, raw[i]!) / seconds - old))
      behind = behind.map((old, i) => old + quick * (minus[i]!(values[i]!, filtered[i]!) - old))

      const risen = rise()
      const share = weight(minCutoff + risen, seconds)
      filtered = filtered.map((old, i) => old + share * minus[i]!(values[i]!, old))
      lag = (seconds * (1 - share)) / share
      moving = risen / (minCutoff + risen)
      raw = [...values]
      time = timeMs
    },
    at: timeMs => {
      const ahead = moving * (lag + (timeMs - (time ?? timeMs)) / 1000)
      return filtered.map((value, i) => value + speed[i]! * ahead)
    },
  }
}
