import { defineConfig } from '@fx/distill'
import { stylegan2Portraits } from '@fx/miniatures/stylegan2'
import { stylegan2Teacher } from '@fx/teacher-adapters/stylegan2'
import { pinkHair } from './student.js'

export default defineConfig({
  ...pinkHair,
  out: 'out/swap-teacher/stylegan2',
  teacher: () => stylegan2Teacher(stylegan2Portraits),
})
