import type { ConformanceCase } from './case.js'
import { stopsWhenAborted } from './cases/abort.js'
import { declaresWhatItCanDo, saysWhoItIs } from './cases/declared.js'
import { honoursParameters, leavesTheRest, recordsValues, showsTheEffect } from './cases/effect.js'
import { importsNoStudent } from './cases/imports.js'
import { teaches } from './cases/learning.js'
import { disposesTwice, leavesNoTensors, refusesAfterDispose } from './cases/lifetime.js'
import {
  keepsTheOrder,
  makesPairs,
  namesPairs,
  namesTheLicence,
  showsEachSeed,
  tellsProvenance,
  yieldsImages,
} from './cases/pairs.js'
import { hasItsPairs, isLazy, makesItsSizes } from './cases/reach.js'
import {
  refusesMalformedEffects,
  refusesParameters,
  refusesSeeds,
  refusesSizes,
  refusesUnknownEffects,
  throwsTypedErrors,
} from './cases/refusals.js'
import { handsPairsOver, keepsRequestsApart, repeatsItself } from './cases/repeat.js'

/** Everything an adapter owes the contract, by number. */
export const CASES: readonly ConformanceCase[] = [
  saysWhoItIs,
  declaresWhatItCanDo,
  makesPairs,
  yieldsImages,
  namesPairs,
  showsEachSeed,
  namesTheLicence,
  tellsProvenance,
  keepsTheOrder,
  isLazy,
  makesItsSizes,
  hasItsPairs,
  showsTheEffect,
  leavesTheRest,
  recordsValues,
  honoursParameters,
  repeatsItself,
  handsPairsOver,
  keepsRequestsApart,
  stopsWhenAborted,
  refusesUnknownEffects,
  refusesMalformedEffects,
  refusesSizes,
  refusesSeeds,
  refusesParameters,
  throwsTypedErrors,
  leavesNoTensors,
  refusesAfterDispose,
  disposesTwice,
  importsNoStudent,
  teaches,
]
