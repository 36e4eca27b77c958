// Where people say who they are. A demo: see app/api/login.

import { Mark } from "../../components/icons.tsx";

export default async function Login({ searchParams }: { searchParams: Promise<{ again?: string }> }) {
  const { again } = await searchParams;
  return (
    <main className="login">
      <form method="post" action="/api/login">
        <p className="brand"><Mark /> Haltline Chat</p>
        <h1>Sign in</h1>
        <p>This is a demo: any name will do.</p>
        <label htmlFor="name">Your name</label>
        <input id="name" name="name" autoComplete="username" autoFocus required pattern="[A-Za-z][A-Za-z0-9_\-]{1,31}" aria-describedby={again ? "why" : undefined} />
        {again && <p id="why" role="alert">Use 2 to 32 letters, digits, - and _, a letter first.</p>}
        <button type="submit">Sign in</button>
      </form>
    </main>
  );
}
