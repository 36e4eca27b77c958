// The few pictures that are needed. All are decoration: what they mean stands in a label beside them.

const PATHS = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h10",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5 10 17.5 19.5 7",
  again: "M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 4v4h-4",
  down: "M12 5v14M5.5 12.5 12 19l6.5-6.5",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS | "stop" }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {name === "stop" ? <rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor" /> : <path d={PATHS[name]} />}
    </svg>
  );
}

/** The mark: a line that is held. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M4 21c5 0 5-10 10-10s4 7 8 7" />
      <path className="mark-bar" d="M26 7v18" />
    </svg>
  );
}
