// The token of a gateway.

/** It is not in anything that prints, inspects or serialises it. */
export class Token {
  readonly #text: string;

  constructor(text: string) {
    // The text is not in the message, which may be logged.
    if (!/^[\x21-\x7e]+$/.test(text)) throw new TypeError("the token is empty, or not of visible characters");
    this.#text = text;
  }

  /** The value of the header `Authorization`. */
  static header(token: Token): string {
    return `Bearer ${token.#text}`;
  }

  /** The value of a header of its own. */
  static bare(token: Token): string {
    return token.#text;
  }

  toString(): string {
    return 'Token(hidden)';
  }
}
