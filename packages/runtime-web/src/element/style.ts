/** System colours follow the page's own light or dark. */
export const style = `
:host {
  --_background: var(--fx-background, color-mix(in srgb, CanvasText 7%, Canvas));
  --_text: var(--fx-text, CanvasText);
  --_accent: var(--fx-accent, #2f5fe0);
  --_radius: var(--fx-radius, 12px);
  display: block;
  max-width: 40rem;
  color: var(--_text);
  font: 1rem/1.4 system-ui, sans-serif;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
.stage {
  position: relative;
  aspect-ratio: var(--_ratio, 4 / 3);
  overflow: hidden;
  border-radius: var(--_radius);
  background: var(--_background);
}
canvas { position: absolute; inset: 0; width: 100%; height: 100%; visibility: hidden; }
.seen canvas { visibility: visible; }
.panel {
  position: absolute;
  inset: 0;
  display: grid;
  place-content: center;
  justify-items: center;
  gap: 0.875rem;
  padding: 1rem;
  overflow: auto;
  text-align: center;
}
.seen .panel { pointer-events: none; }
.seen.covered .panel { pointer-events: auto; background: color-mix(in srgb, var(--_background) 82%, transparent); }
p { margin: 0; max-width: 26rem; text-wrap: balance; }
.note {
  position: absolute;
  left: 0.5rem;
  bottom: 0.5rem;
  max-width: calc(100% - 1rem);
  padding: 0.25rem 0.75rem;
  border-radius: 1rem;
  background: rgb(0 0 0 / 72%);
  color: #fff;
  font-size: 0.875rem;
  text-align: start;
  pointer-events: none;
}
.note:empty { padding: 0; background: none; }
.progress { width: min(12rem, 60%); height: 4px; border-radius: 2px; overflow: hidden; background: color-mix(in srgb, var(--_text) 18%, transparent); }
.progress::before { content: ''; display: block; width: 40%; height: 100%; border-radius: inherit; background: var(--_accent); animation: slide 1.4s ease-in-out infinite alternate; }
@keyframes slide { to { transform: translateX(150%); } }
button {
  min-height: 44px;
  padding: 0.5rem 1.25rem;
  border: 1px solid transparent;
  border-radius: 22px;
  background: var(--_accent);
  color: var(--fx-accent-text, #fff);
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
button:hover { filter: brightness(1.1); }
.controls button { background: transparent; border-color: color-mix(in srgb, var(--_text) 35%, transparent); color: inherit; font-weight: 500; }
.controls button[aria-pressed='true'] { background: var(--_accent); border-color: var(--_accent); color: var(--fx-accent-text, #fff); }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.stage:focus-visible { outline-offset: -3px; }
/* As wide as the picture and a handle more, so that the handle's middle is on the line. */
.split {
  position: absolute;
  top: 0;
  left: -22px;
  width: calc(100% + 44px);
  height: 100%;
  margin: 0;
  appearance: none;
  background: none;
  direction: ltr;
  cursor: ew-resize;
  touch-action: pan-y;
}
.split:focus-visible { outline: none; }
.split::-webkit-slider-thumb { appearance: none; width: 44px; height: 44px; border: 3px solid #fff; border-radius: 50%; background: HANDLE; box-shadow: 0 1px 5px rgb(0 0 0 / 60%); }
.split::-moz-range-thumb { width: 44px; height: 44px; border: 3px solid #fff; border-radius: 50%; background: HANDLE; box-shadow: 0 1px 5px rgb(0 0 0 / 60%); }
.split:focus-visible::-webkit-slider-thumb { outline: 3px solid var(--_accent); outline-offset: 1px; }
.split:focus-visible::-moz-range-thumb { outline: 3px solid var(--_accent); outline-offset: 1px; }
.controls { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 1rem; min-height: 56px; padding-top: 0.75rem; }
.sliders { display: contents; }
label { display: grid; grid-template-columns: auto 1fr 2.5rem; align-items: center; gap: 0.625rem; flex: 1 1 14rem; min-height: 44px; }
label input { min-width: 0; width: 100%; height: 44px; margin: 0; accent-color: var(--_accent); }
output { text-align: end; font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) {
  .progress { display: none; }
}
`.replaceAll(
  'HANDLE',
  // Two arrowheads.
  `rgb(0 0 0 / 45%) url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 44 44' fill='none' stroke='%23fff' stroke-width='3' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M17 15l-7 7 7 7M27 15l7 7-7 7'/%3E%3C/svg%3E") center / contain no-repeat content-box`,
)
