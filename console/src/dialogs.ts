// What stops the page until somebody answers. `<dialog>` keeps the focus within, and gives it back.

export interface Answer {
  replace: boolean
  forAll: boolean
}

/** Asks whether a new version is wanted. Escape means no. */
export function question(dialog: HTMLDialogElement, path: string, asset: string, others: number): Promise<Answer> {
  part(dialog, '[data-name]').textContent = path
  part(dialog, '[data-asset]').textContent = asset
  const all = part<HTMLInputElement>(dialog, 'input')
  all.checked = false
  part(dialog, '[data-others]').hidden = others === 0
  return shown(dialog).then((value) => ({ replace: value === 'replace', forAll: all.checked }))
}

/** Asks for the password until `attempt` takes one. Whether that came about: Escape means no. */
export async function password(dialog: HTMLDialogElement, user: string, attempt: (text: string) => Promise<void>): Promise<boolean> {
  const input = part<HTMLInputElement>(dialog, 'input[type=password]')
  const problem = part(dialog, '[role=alert]')
  part<HTMLInputElement>(dialog, 'input[name=username]').value = user
  part(dialog, '[data-name]').textContent = user
  problem.textContent = ''
  for (;;) {
    input.value = ''
    if ((await shown(dialog, () => input.value !== '')) !== 'sign-in') return false
    try {
      await attempt(input.value)
      return true
    } catch (error) {
      problem.textContent = (error as Error).message
    } finally {
      input.value = ''
    }
  }
}

function shown(dialog: HTMLDialogElement, complete: () => boolean = () => true): Promise<string> {
  return new Promise((resolve) => {
    dialog.returnValue = ''
    const submitted = (event: SubmitEvent) => {
      event.preventDefault() // the policy lets no form go anywhere
      if (complete()) dialog.close((event.submitter as HTMLButtonElement | null)?.value ?? '')
    }
    const clicked = (event: Event) => {
      const button = (event.target as Element).closest<HTMLButtonElement>('button[type=button]')
      if (button !== null) dialog.close(button.value)
    }
    dialog.addEventListener('submit', submitted)
    dialog.addEventListener('click', clicked)
    const closed = () => {
      dialog.removeEventListener('submit', submitted)
      dialog.removeEventListener('click', clicked)
      resolve(dialog.returnValue)
    }
    dialog.addEventListener('close', closed, { once: true })
    dialog.showModal()
  })
}

export function part<E extends HTMLElement = HTMLElement>(within: ParentNode, selector: string): E {
  const found = within.querySelector<E>(selector)
  if (found === null) throw new Error(`the page has no ${selector}`)
  return found
}
