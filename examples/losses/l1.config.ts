import { l1 } from '@fx/losses'
import { pinkHair } from './pink-hair.js'

export default pinkHair('l1', l1())
