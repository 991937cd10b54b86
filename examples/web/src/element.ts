/** An element of the page, which has it. */
export const element = <Type extends HTMLElement = HTMLElement>(id: string): Type =>
  document.querySelector<Type>(`#${id}`)!

/** A new element with its properties and what is in it. */
export const make = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] => {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

/** Tells those who hear the page what has changed. */
export const announce = (text: string): void => {
  element('status').textContent = text
}

export const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
