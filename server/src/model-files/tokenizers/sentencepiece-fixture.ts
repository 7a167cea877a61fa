/** For tests only: writes a SentencePiece file field by field. */

export interface Piece {
  text: string;
  score: number;
  /** 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte. */
  type: number;
}

export interface SentencePieceOptions {
  /** 1 is Unigram, 2 is BPE. Default 2. */
  modelType?: number;
  prependsSpace?: boolean;
  removesSpaces?: boolean;
  characterMap?: Buffer;
}

export function sentencePieceFile(pieces: readonly Piece[], options: SentencePieceOptions = {}): Buffer {
  const {
    modelType = 2,
    prependsSpace = true,
    removesSpaces = false,
    characterMap = Buffer.alloc(0),
  } = options;
  const score = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return Buffer.concat([varint(2 * 8 + 5), bytes]);
  };
  return Buffer.concat([
    ...pieces.map((piece) =>
      message(1, message(1, Buffer.from(piece.text)), score(piece.score), number(3, piece.type)),
    ),
    message(2, number(3, modelType), number(4, 32_000)),
    message(3, message(2, characterMap), number(3, Number(prependsSpace)), number(4, Number(removesSpaces))),
  ]);
}

function message(field: number, ...parts: Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}
