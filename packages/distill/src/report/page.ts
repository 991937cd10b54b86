import { escapeHtml } from './html.js'
import { style } from './style.js'

/** What a page of the report's look shows. */
export interface ReportPage {
  /** Title of the window, plain text. */
  title: string
  /** Content, HTML: what comes from elsewhere must have gone through `escapeHtml`. */
  body: string
}

/**
 * A page in the look of the distillation report. It stands in one file and is forbidden every address: pictures are data
 * URIs, scripts stand inside.
 */
export const reportPage = ({ title, body }: ReportPage): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`
