// The page `/console/upload`: what a person does, and what he is told.

import { Announcer } from './announcing.js'
import { Api } from './api.js'
import { type Chosen, fromDrop, fromInput } from './chosen.js'
import { type Answer, part, password, question } from './dialogs.js'
import { within } from './paths.js'
import { Row, told } from './row.js'
import { type Source, type State, Transfer } from './transfer.js'
import { Transfers } from './transfers.js'
import { all as unfinished, forget } from './unfinished.js'
import { bytes, duration, files, percent } from './words.js'

const DRAW_SECONDS = 0.25

const ANNOUNCED: ReadonlySet<State> = new Set(['interrupted', 'paused', 'done', 'skipped', 'failed'])

class Page {
  readonly #api = new Api()
  readonly #transfers = new Transfers()
  readonly #rows = new Map<Transfer, Row>()
  readonly #announcer = new Announcer(part(document, '#announced'))
  readonly #signIn = part<HTMLFormElement>(document, '#sign-in')
  readonly #upload = part(document, '#upload')
  readonly #list = part(document, '#files')
  readonly #folder = part<HTMLInputElement>(document, '#folder')
  #made = 0
  #questions: Promise<void> = Promise.resolve()
  #forAll: Answer | null = null
  #asksPassword = false
  #stale = false

  constructor() {
    this.#signIn.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#signedIn()
    })
    on('#sign-out', 'click', () => void this.#signOut())
    for (const id of ['#choose-files', '#choose-folder']) {
      on(id, 'change', (event) => {
        const input = event.target as HTMLInputElement
        this.#add(fromInput(input))
        input.value = '' // the same file may be chosen again
      })
    }
    on('#pause-all', 'click', () => {
      for (const one of this.#transfers.of('queued', 'uploading', 'interrupted')) one.pause()
    })
    on('#resume-all', 'click', () => {
      for (const one of this.#transfers.of('paused')) one.resume()
    })
    on('#clear', 'click', () => {
      for (const one of this.#transfers.over) this.#remove(one)
      part(document, '#files-title').focus()
    })
    this.#takeDrops(part(document, '#drop'))
    window.addEventListener('online', () => {
      for (const one of this.#transfers.all) one.hurry()
    })
    window.addEventListener('offline', () => {
      for (const one of this.#transfers.all) one.interrupt()
    })
    setInterval(() => this.#draw(), DRAW_SECONDS * 1000)
    this.#summarise()
  }

  async #signedIn(): Promise<void> {
    const name = part<HTMLInputElement>(this.#signIn, '#username')
    const secret = part<HTMLInputElement>(this.#signIn, '#password')
    const problem = part(this.#signIn, '[role=alert]')
    problem.textContent = ''
    try {
      await this.#api.signIn(name.value, secret.value)
    } catch (error) {
      problem.textContent = words(error)
      secret.focus()
      return
    } finally {
      secret.value = ''
    }
    part(document, '#who').textContent = this.#api.workspace
      ? `Signed in as ${this.#api.user}, workspace ${this.#api.workspace}.`
      : `Signed in as ${this.#api.user}, who has no workspace to upload into.`
    this.#signIn.hidden = true
    this.#upload.hidden = false
    part(document, '#title').focus()
    await this.#find()
  }

  async #signOut(): Promise<void> {
    for (const one of [...this.#transfers.all]) {
      one.leave()
      this.#drop(one)
    }
    this.#forAll = null
    this.#upload.hidden = true
    this.#signIn.hidden = false
    this.#signIn.reset()
    part(this.#signIn, '#username').focus()
    await this.#api.signOut()
  }

  /** Uploads of earlier visits that are at the server. */
  async #find(): Promise<void> {
    for (const known of unfinished(this.#api.user)) {
      try {
        const found = await this.#api.look(known.url)
        if (this.#transfers.all.some((one) => one.is(known))) continue
        if (found.kind === 'gone') {
          forget(this.#api.user, known)
          continue
        }
        const transfer = this.#make(known, null, known.url)
        transfer.seen(found.kind === 'done' ? known.size : found.sent, found.kind === 'done' ? found.version : null)
        this.#announcer.say(known.path, found.kind === 'done' ? 'done' : 'unfinished, choose the same file again to go on')
      } catch {
        // It is found once more at the next visit, and when the file is chosen.
      }
    }
    this.#summarise()
  }

  #takeDrops(zone: HTMLElement): void {
    for (const kind of ['dragenter', 'dragover']) {
      zone.addEventListener(kind, (event) => {
        event.preventDefault()
        zone.dataset.over = 'yes'
      })
    }
    zone.addEventListener('dragleave', () => delete zone.dataset.over)
    zone.addEventListener('drop', (event) => {
      event.preventDefault()
      delete zone.dataset.over
      if (event.dataTransfer === null) return
      fromDrop(event.dataTransfer).then(
        (chosen) => this.#add(chosen),
        () => this.#announcer.say('What was dropped', 'it cannot be read'),
      )
    })
    // Beside the zone, too: the browser would leave the page and show the file.
    for (const kind of ['dragover', 'drop']) window.addEventListener(kind, (event) => event.preventDefault())
  }

  #add(chosen: Chosen[]): void {
    const known = unfinished(this.#api.user)
    let added = 0
    for (const { file, path } of chosen) {
      const source = { path: within(this.#folder.value, path), size: file.size, modified: file.lastModified }
      const there = this.#transfers.all.find((one) => one.is(source) && !['done', 'skipped', 'failed'].includes(one.state))
      if (there?.state === 'unfinished') there.give(file)
      else if (there !== undefined) continue
      else {
        const earlier = known.find((one) => one.path === source.path && one.size === source.size && one.modified === source.modified)
        this.#make(source, file, earlier?.url ?? null)
      }
      added += 1
    }
    this.#announcer.say(files(added), 'added')
    this.#changed()
  }

  #make(source: Source, file: File | null, url: string | null): Transfer {
    const { path, size, modified } = source
    const transfer = new Transfer({ path, size, modified }, this.#api, (one) => this.#transferChanged(one), file, url)
    this.#transfers.add(transfer)
    this.#made += 1
    const row = new Row(transfer, this.#acts(), this.#made)
    this.#rows.set(transfer, row)
    this.#list.append(row.element)
    return transfer
  }

  #acts() {
    return {
      toggle: (one: Transfer) => (['paused', 'failed'].includes(one.state) ? one.resume() : one.pause()),
      remove: (one: Transfer) => this.#remove(one),
      download: async (one: Transfer) => {
        const anchor = document.createElement('a')
        anchor.href = await this.#link(one)
        anchor.download = '' // an error leaves the page as it is; the name is the reply's
        anchor.click() // saved, as the reply is an attachment; the bytes need no memory of the page
      },
      link: (one: Transfer) => this.#link(one),
    }
  }

  async #link(one: Transfer): Promise<string> {
    if (one.version === null) throw new Error('There is no version.')
    if (!this.#api.signedIn && !(await this.#askPassword())) throw new Error('Sign in first.')
    return this.#api.link(one.version)
  }

  #remove(one: Transfer): void {
    const row = this.#rows.get(one)?.element
    const neighbour = row?.nextElementSibling ?? row?.previousElementSibling ?? part(document, '#files-title')
    const held = row?.contains(document.activeElement)
    void one.cancel()
    this.#drop(one)
    if (held && neighbour instanceof HTMLElement) neighbour.focus()
    this.#changed()
  }

  #drop(one: Transfer): void {
    this.#transfers.remove(one)
    this.#rows.get(one)?.element.remove()
    this.#rows.delete(one)
  }

  #transferChanged(one: Transfer): void {
    this.#rows.get(one)?.show()
    if (ANNOUNCED.has(one.state)) this.#announcer.say(one.source.path, one.state === 'failed' ? told(one) : one.state)
    if (one.state === 'asking') this.#questions = this.#questions.then(() => this.#ask(one))
    if (one.state === 'signed out') void this.#askPassword()
    this.#changed()
  }

  /** After all that happens at once: a change may come from within another. */
  #changed(): void {
    if (this.#stale) return
    this.#stale = true
    queueMicrotask(() => {
      this.#stale = false
      if (this.#transfers.atRest) this.#forAll = null
      if (this.#api.signedIn) this.#transfers.pump()
      this.#summarise()
    })
  }

  async #ask(one: Transfer): Promise<void> {
    if (one.state !== 'asking') return
    if (this.#forAll === null) {
      const others = this.#transfers.of('queued', 'uploading', 'asking').length - 1
      const given = await question(part<HTMLDialogElement>(document, '#question'), one.source.path, one.taken, others)
      if (given.forAll) this.#forAll = given
      one.answer(given.replace)
    } else {
      one.answer(this.#forAll.replace)
    }
  }

  /** The token has ended: asks for the password, and goes on with what waits for it. Whether that came about. */
  async #askPassword(): Promise<boolean> {
    if (this.#asksPassword) return false
    this.#asksPassword = true
    try {
      const { user } = this.#api
      const dialog = part<HTMLDialogElement>(document, '#again')
      const done = await password(dialog, user, (secret) => this.#api.signIn(user, secret).catch((error) => Promise.reject(new Error(words(error)))))
      if (done) {
        for (const one of this.#transfers.of('signed out')) one.resume()
      } else {
        await this.#signOut()
      }
      return done
    } finally {
      this.#asksPassword = false
    }
  }

  #draw(): void {
    for (const one of this.#transfers.of('uploading')) {
      if (one.stands) one.interrupt()
      this.#rows.get(one)?.show()
    }
    if (this.#transfers.of('uploading', 'storing').length > 0) this.#summarise()
  }

  #summarise(): void {
    const { all } = this.#transfers
    const counted = all.filter((one) => !['skipped', 'failed'].includes(one.state))
    const whole = counted.reduce((sum, one) => sum + one.source.size, 0)
    const sent = counted.reduce((sum, one) => sum + one.sent, 0)
    const speed = this.#transfers.of('uploading').reduce((sum, one) => sum + one.speed.get(), 0)
    const bar = part<HTMLProgressElement>(document, '#all')
    bar.max = Math.max(1, whole)
    bar.value = sent
    const moving = speed === 0 ? '' : `, ${bytes(speed)}/s, ${duration((whole - sent) / speed)} left`
    part(document, '#summary').textContent =
      all.length === 0
        ? 'No files yet.'
        : `${this.#transfers.of('done').length} of ${files(all.length)} done, ${percent(sent, whole)} of ${bytes(whole)}${moving}`
    part<HTMLButtonElement>(document, '#pause-all').disabled = this.#transfers.of('queued', 'uploading', 'interrupted').length === 0
    part<HTMLButtonElement>(document, '#resume-all').disabled = this.#transfers.of('paused').length === 0
    part<HTMLButtonElement>(document, '#clear').disabled = this.#transfers.over.length === 0
  }
}

function on(selector: string, kind: string, act: (event: Event) => void): void {
  part(document, selector).addEventListener(kind, act)
}

function words(error: unknown): string {
  return error instanceof TypeError ? 'The server cannot be reached.' : (error as Error).message
}

new Page()
