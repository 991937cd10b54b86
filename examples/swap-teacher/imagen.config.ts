import { defineConfig } from '@fx/distill'
import { imagenPortraits } from '@fx/miniatures/imagen'
import { imagenTeacher } from '@fx/teacher-adapters/imagen'
import { pinkHair } from './student.js'

export default defineConfig({
  ...pinkHair,
  out: 'out/swap-teacher/imagen',
  teacher: () => imagenTeacher(imagenPortraits),
})
