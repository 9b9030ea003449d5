// What a screen reader is told: one sentence for what came together, and never the progress.

import { files } from './words.js'

const SECONDS = 1.5

export class Announcer {
  #waiting = new Map<string, string[]>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly region: HTMLElement) {}

  /** `name`: the file; `what` has happened to it, in the same words for others. */
  say(name: string, what: string): void {
    this.#waiting.set(what, [...(this.#waiting.get(what) ?? []), name])
    this.#timer ??= setTimeout(() => this.#flush(), SECONDS * 1000)
  }

  #flush(): void {
    this.#timer = undefined
    this.region.textContent = Array.from(this.#waiting, ([what, names]) =>
      names.length === 1 ? `${names[0]}: ${what}.` : `${files(names.length)}: ${what}.`,
    ).join(' ')
    this.#waiting.clear()
  }
}
