/** The operations that the machine knows, by the names of Python's pickletools. */
export const Op = {
  MARK: 0x28,
  EMPTY_TUPLE: 0x29,
  STOP: 0x2e,
  POP: 0x30,
  POP_MARK: 0x31,
  DUP: 0x32,
  BINBYTES: 0x42,
  SHORT_BINBYTES: 0x43,
  FLOAT: 0x46,
  BINFLOAT: 0x47,
  INT: 0x49,
  BININT: 0x4a,
  BININT1: 0x4b,
  LONG: 0x4c,
  BININT2: 0x4d,
  NONE: 0x4e,
  BINPERSID: 0x51,
  REDUCE: 0x52,
  BINSTRING: 0x54,
  SHORT_BINSTRING: 0x55,
  UNICODE: 0x56,
  BINUNICODE: 0x58,
  EMPTY_LIST: 0x5d,
  APPEND: 0x61,
  BUILD: 0x62,
  GLOBAL: 0x63,
  DICT: 0x64,
  APPENDS: 0x65,
  GET: 0x67,
  BINGET: 0x68,
  LONG_BINGET: 0x6a,
  LIST: 0x6c,
  PUT: 0x70,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  SETITEM: 0x73,
  TUPLE: 0x74,
  SETITEMS: 0x75,
  EMPTY_DICT: 0x7d,
  PROTO: 0x80,
  NEWOBJ: 0x81,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  LONG1: 0x8a,
  LONG4: 0x8b,
  SHORT_BINUNICODE: 0x8c,
  BINUNICODE8: 0x8d,
  BINBYTES8: 0x8e,
  EMPTY_SET: 0x8f,
  ADDITEMS: 0x90,
  FROZENSET: 0x91,
  NEWOBJ_EX: 0x92,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
  BYTEARRAY8: 0x96,
} as const

/** Operations that Python has and no checkpoint needs, to be refused by name. */
const refused: Readonly<Record<number, string>> = {
  80: 'PERSID',
  83: 'STRING',
  105: 'INST',
  111: 'OBJ',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
}

const names = new Map<number, string>([
  ...Object.entries(Op).map(([name, code]) => [code, name] as const),
  ...Object.entries(refused).map(([code, name]) => [Number(code), name] as const),
])

/** An operation's name, or undefined when Python has no such operation. */
export const opName = (code: number): string | undefined => names.get(code)

/** Bytes that follow an operation at once: its number, or the length of what comes then. */
export const argumentBytes = new Uint8Array(256)
for (const code of [Op.BININT1, Op.BINGET, Op.BINPUT, Op.PROTO, Op.LONG1]) argumentBytes[code] = 1
for (const code of [Op.SHORT_BINBYTES, Op.SHORT_BINSTRING, Op.SHORT_BINUNICODE]) argumentBytes[code] = 1
argumentBytes[Op.BININT2] = 2
for (const code of [Op.BININT, Op.LONG_BINGET, Op.LONG_BINPUT, Op.LONG4]) argumentBytes[code] = 4
for (const code of [Op.BINBYTES, Op.BINSTRING, Op.BINUNICODE]) argumentBytes[code] = 4
for (const code of [Op.BINFLOAT, Op.FRAME, Op.BINUNICODE8, Op.BINBYTES8, Op.BYTEARRAY8]) argumentBytes[code] = 8
