// All files of the page: which of them are under way.

import { OVER, RUNNING, type State, Transfer } from './transfer.js'

/** More at a time share the same line, and each waits longer for its end. */
const AT_A_TIME = 3

export class Transfers {
  readonly all: Transfer[] = []

  add(transfer: Transfer): void {
    this.all.push(transfer)
  }

  remove(transfer: Transfer): void {
    this.all.splice(this.all.indexOf(transfer), 1)
  }

  of(...states: State[]): Transfer[] {
    return this.all.filter((one) => states.includes(one.state))
  }

  get over(): Transfer[] {
    return this.all.filter((one) => OVER.has(one.state))
  }

  /** Whether nothing more happens unless somebody acts. */
  get atRest(): boolean {
    return !this.all.some((one) => RUNNING.has(one.state) || one.state === 'queued' || one.state === 'asking')
  }

  /** Starts what may be under way now. */
  pump(): void {
    let free = AT_A_TIME - this.all.filter((one) => RUNNING.has(one.state)).length
    for (const one of this.of('queued')) {
      if (free <= 0) return
      free -= 1
      one.start()
    }
  }
}
