import { loadEffect } from '@fx/runtime-web'

// A page that runs whatever bundle it is given: it knows no student and no teacher.
Object.assign(globalThis, { loadEffect })
