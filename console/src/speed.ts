// How fast bytes go, over the last seconds.

const SECONDS = 5

export class Speed {
  #points: { at: number; sent: number }[] = []

  /** `sent` of the file so far; `at` in seconds. */
  add(sent: number, at: number): void {
    const last = this.#points.at(-1)
    if (last !== undefined && sent < last.sent) this.forget()
    this.#points.push({ at, sent })
    while (this.#points.length > 2 && at - this.#points[0]!.at > SECONDS) this.#points.shift()
  }

  /** An interruption: what was before says nothing about what comes. */
  forget(): void {
    this.#points = []
  }

  /** Bytes per second; 0 when nothing is known. */
  get(): number {
    const first = this.#points[0]
    const last = this.#points.at(-1)
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return (last.sent - first.sent) / (last.at - first.at)
  }
}
