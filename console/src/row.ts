// One file in the list.

import type { State, Transfer } from './transfer.js'
import { bytes, duration, percent } from './words.js'

export interface Acts {
  toggle(transfer: Transfer): void
  remove(transfer: Transfer): void
  download(transfer: Transfer): Promise<void>
  link(transfer: Transfer): Promise<string>
}

const TOGGLES: Partial<Record<State, string>> = {
  queued: 'Pause', uploading: 'Pause', interrupted: 'Pause', paused: 'Resume', failed: 'Try again',
} // prettier-ignore
const REMOVES: Partial<Record<State, string>> = {
  queued: 'Cancel', uploading: 'Cancel', interrupted: 'Cancel', paused: 'Cancel', 'signed out': 'Cancel', unfinished: 'Discard',
  done: 'Remove from the list', skipped: 'Remove from the list', failed: 'Remove from the list',
} // prettier-ignore

const SCANNED: Record<string, string> = { clean: 'none found', not_scanned: 'not scanned here', '': 'not known' }

export class Row {
  readonly element = document.createElement('li')
  #name = document.createElement('p')
  #bar = document.createElement('progress')
  #told = document.createElement('p')
  #toggle: HTMLButtonElement
  #remove: HTMLButtonElement
  #download: HTMLButtonElement
  #link: HTMLButtonElement
  #made = document.createElement('a')
  #problem = document.createElement('p')

  constructor(
    readonly transfer: Transfer,
    acts: Acts,
    number: number,
  ) {
    this.element.tabIndex = -1
    this.#name.className = 'name'
    this.#name.id = `file-${number}`
    this.#name.textContent = transfer.source.path
    this.#bar.max = Math.max(1, transfer.source.size)
    this.#bar.setAttribute('aria-labelledby', this.#name.id)
    this.#told.className = 'told'
    this.#problem.className = 'problem'
    this.#made.hidden = true
    this.#toggle = this.#button(() => acts.toggle(transfer))
    this.#remove = this.#button(() => acts.remove(transfer))
    this.#download = this.#button(() => this.#trying(acts.download(transfer)))
    this.#link = this.#button(() => this.#trying(acts.link(transfer).then((url) => this.#show(url))))
    const buttons = document.createElement('p')
    buttons.className = 'acts'
    buttons.append(this.#toggle, this.#download, this.#link, this.#made, this.#remove)
    this.element.append(this.#name, this.#bar, this.#told, this.#problem, buttons)
    this.show()
  }

  show(): void {
    const { transfer } = this
    this.element.dataset.state = transfer.state
    this.#bar.value = transfer.source.size === 0 ? Number(transfer.state === 'done') : transfer.sent
    set(this.#told, told(transfer))
    const held = this.element.contains(document.activeElement)
    label(this.#toggle, TOGGLES[transfer.state], transfer.source.path)
    label(this.#remove, REMOVES[transfer.state], transfer.source.path)
    label(this.#download, transfer.state === 'done' ? 'Download' : undefined, transfer.source.path)
    label(this.#link, transfer.state === 'done' && this.#made.hidden ? 'Make a link' : undefined, transfer.source.path)
    if (held && document.activeElement instanceof HTMLElement && document.activeElement.hidden) this.element.focus()
  }

  #button(act: () => void): HTMLButtonElement {
    const button = document.createElement('button')
    button.type = 'button'
    button.addEventListener('click', act)
    return button
  }

  #trying(act: Promise<void>): void {
    set(this.#problem, '')
    act.catch((error: Error) => set(this.#problem, error.message))
  }

  #show(url: string): void {
    this.#made.href = url
    this.#made.textContent = 'Link, good for some minutes'
    this.#made.setAttribute('aria-label', `${this.#made.textContent}: ${this.transfer.source.path}`)
    this.#made.hidden = false
    this.show()
    this.#made.focus()
  }
}

/** In words what a state is; what is always true of it comes first. */
export function told(transfer: Transfer): string {
  const { state, sent, source, version } = transfer
  const far = `${percent(sent, source.size)} of ${bytes(source.size)}`
  switch (state) {
    case 'queued':
      return sent === 0 ? `${bytes(source.size)}, waiting for its turn` : `${far}, waiting for its turn`
    case 'uploading': {
      const speed = transfer.speed.get()
      return speed === 0 ? far : `${far}, ${bytes(speed)}/s, ${duration((source.size - sent) / speed)} left`
    }
    case 'storing':
      return `${bytes(source.size)}, being stored and checked`
    case 'interrupted':
      return `${far}, the server cannot be reached or is busy; it is tried again by itself`
    case 'signed out':
      return `${far}, waiting for you to sign in`
    case 'asking':
      return `${bytes(source.size)}, waiting for your answer`
    case 'paused':
      return `${far}, paused`
    case 'unfinished':
      return `${far} from an earlier visit; choose the same file again to go on`
    case 'done':
      return `${bytes(source.size)}, done: version ${version?.id.slice(0, 12)} of ${version?.path}. Malware: ${SCANNED[version?.scanResult ?? ''] ?? 'let in by an administrator'}`
    case 'skipped':
      return `${bytes(source.size)}, skipped: the name was there already`
    case 'failed':
      return `Failed${transfer.verdict === null ? '' : ` (${transfer.verdict})`}: ${transfer.detail}`
  }
}

function label(button: HTMLButtonElement, text: string | undefined, name: string): void {
  button.hidden = text === undefined
  if (text === undefined || button.textContent === text) return
  button.textContent = text
  button.setAttribute('aria-label', `${text}: ${name}`)
}

function set(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
