import { expect, test } from 'vitest'
import { figureTiles, pictureRows, reportPage, table } from '../report.js'

const hostile = `<img src="http://example.org" alt='&'>`

test('a page stands in one file: every address in it is a data URI', () => {
  const png = Uint8Array.of(137, 80, 78, 71)
  const rows = [{ pictures: [{ png, size: 64, alt: hostile }], caption: hostile }]
  const body =
    pictureRows(['Input', hostile], rows) +
    table([hostile], [[hostile]]) +
    figureTiles([{ value: '61 %', label: hostile, note: hostile, met: true }])
  const html = reportPage({ title: hostile, body })
  expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(match => match[1])).toEqual([
    `data:image/png;base64,${Buffer.from(png).toString('base64')}`,
  ])
  expect(html).toContain("default-src 'none'")
  expect(html).not.toContain('example.org"')
  expect(html).toContain('<title>&lt;img src=&quot;http://example.org&quot; alt=&#39;&amp;&#39;&gt;</title>')
})

test('a figure says whether it met what was asked of it', () => {
  const tile = { value: '61 %', label: 'of doing nothing', note: 'at most 100 %' }
  expect(figureTiles([{ ...tile, met: true }])).toContain('<b class="met">61 %</b>')
  expect(figureTiles([{ ...tile, met: false }])).toContain('<b class="missed">61 %</b>')
})
