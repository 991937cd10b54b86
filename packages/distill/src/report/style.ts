/** The report's style: one column that fits a phone, light or dark as the reader's system is. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#fbfaf8, #16171a);
  --card: light-dark(#fff, #1f2126);
  --ink: light-dark(#1d1e22, #e9e8e4);
  --soft: light-dark(#6b6c72, #9a9ca5);
  --line: light-dark(#e4e2dc, #33363d);
  --good: light-dark(#1a7f4b, #5fd39a);
  --bad: light-dark(#b3372f, #ff8f85);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif;
}
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.15; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; }
p { margin: .4rem 0 .8rem; }
.soft { color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(14.5rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .9rem 1rem; }
.figure b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.figure small { display: block; color: var(--soft); margin-top: .3rem; }
.met { color: var(--good); } .missed { color: var(--bad); }
.sample { margin: 0 0 1.1rem; }
.sample figcaption { color: var(--soft); font-size: .85rem; margin-top: .25rem; }
.row { display: grid; grid-template-columns: repeat(4, 1fr); gap: .4rem; }
.row img { width: 100%; height: auto; aspect-ratio: 1; display: block; border-radius: .35rem; image-rendering: pixelated; background: var(--line); }
.heads { font-size: .85rem; font-weight: 600; }
.heads + .heads { display: none; }
.samples { display: grid; gap: .3rem 1.6rem; }
@media (min-width: 48rem) {
  .samples { grid-template-columns: 1fr 1fr; }
  .heads + .heads { display: grid; }
}
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .8rem; }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .7rem .6rem; min-width: 0; }
.chart h3 { margin: 0 .3rem .3rem; font-size: .9rem; font-weight: 600; }
.chart .u-legend { font-size: .75rem; }
.scroll { overflow-x: auto; }
.scroll table { border-collapse: collapse; width: 100%; min-width: 32rem; font-size: .92rem; font-variant-numeric: tabular-nums; }
.scroll :is(th, td) { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
.scroll th { color: var(--soft); font-weight: 600; white-space: nowrap; }
details { border-bottom: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow: auto; max-height: 26rem; font-size: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; }
code { overflow-wrap: anywhere; }
`
