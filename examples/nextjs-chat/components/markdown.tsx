// The little of Markdown that models write: headings, lists, code, quotes, emphasis and links. Text stays
// text: nothing of it becomes HTML.

import type { ReactNode } from "react";

export function Markdown({ text }: { text: string }) {
  return <>{blocks(text)}</>;
}

function blocks(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  // Every second piece is code; while it is written its fence may be open.
  const pieces = text.split(/^```([^\n]*)\n([\s\S]*?)(?:^```[ \t]*$|$(?![\s\S]))/m);
  for (let at = 0; at < pieces.length; at += 3) {
    for (const block of (pieces[at] ?? "").split(/\n{2,}/)) {
      const lines = block.split("\n").filter((line) => line.trim() !== "");
      if (lines.length > 0) out.push(...prose(lines, `${at}-${out.length}`));
    }
    const code = pieces[at + 2];
    if (code !== undefined) {
      out.push(
        <pre key={`code-${at}`} tabIndex={0} aria-label={`Code${pieces[at + 1] ? ` in ${pieces[at + 1]!.trim()}` : ""}`}>
          <code>{code.replace(/\n$/, "")}</code>
        </pre>,
      );
    }
  }
  return out;
}

/** Neighbouring lines of one kind are one block. */
function prose(lines: string[], key: string): ReactNode[] {
  const kind = (line: string) => (/^\s*[-*+] /.test(line) ? "ul" : /^\s*\d{1,3}[.)] /.test(line) ? "ol" : /^> ?/.test(line) ? "quote" : /^#{1,6} /.test(line) ? "heading" : "text");
  const out: ReactNode[] = [];
  for (let at = 0; at < lines.length; ) {
    const is = kind(lines[at]!);
    let end = at + 1;
    while (end < lines.length && is !== "heading" && kind(lines[end]!) === is) end++;
    const part = lines.slice(at, end);
    const id = `${key}-${at}`;
    if (is === "heading") out.push(<p key={id} className="heading"><strong>{inline(part[0]!.replace(/^#+ /, ""))}</strong></p>);
    else if (is === "quote") out.push(<blockquote key={id}>{inline(part.map((line) => line.replace(/^> ?/, "")).join("\n"))}</blockquote>);
    else if (is === "text") out.push(<p key={id}>{inline(part.join("\n"))}</p>);
    else {
      const List = is;
      const first = is === "ol" ? Number.parseInt(part[0]!, 10) : undefined;
      out.push(<List key={id} start={first}>{part.map((line, n) => <li key={n}>{inline(line.replace(/^\s*(?:[-*+]|\d+[.)]) /, ""))}</li>)}</List>);
    }
    at = end;
  }
  return out;
}

const INLINE = /(`[^`\n]+`|\*\*[^*\n]+\*\*|\*[^*\s][^*\n]*\*|\[[^\]\n]+\]\(https?:\/\/[^\s)]+\))/;

function inline(text: string): ReactNode[] {
  return text.split(INLINE).map((piece, at) => {
    if (at % 2 === 0) return piece;
    if (piece.startsWith("`")) return <code key={at}>{piece.slice(1, -1)}</code>;
    if (piece.startsWith("**")) return <strong key={at}>{piece.slice(2, -2)}</strong>;
    if (piece.startsWith("*")) return <em key={at}>{piece.slice(1, -1)}</em>;
    const cut = piece.indexOf("](");
    return <a key={at} href={piece.slice(cut + 2, -1)} target="_blank" rel="noreferrer noopener">{piece.slice(1, cut)}</a>;
  });
}
