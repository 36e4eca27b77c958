// A browser that is signed in at Haltline: keeps an access token in memory, renews it before it ends,
// and shares it with the other tabs. It needs nothing but the browser.
//
// The refresh token is in a cookie that scripts cannot read. Tabs take turns (Web Locks): the one that
// has waited looks first whether another has brought a new token meanwhile. What is told to other tabs
// (BroadcastChannel) stays in this browser and in memory.

export interface SignInOptions {
  /** The gateway, without a path. */
  url: string;
  /** Asks the app's own server for a code; undefined = this user is not signed in there. */
  code: () => Promise<string | undefined>;
  /** Nobody is signed in any more, here or in another tab. */
  onLeft: () => void;
  fetch?: typeof fetch;
}

interface Tokens {
  token: string;
  /** Milliseconds since 1970. */
  expires: number;
  /** Milliseconds from now that it was made for. */
  life: number;
  csrf: string;
  user: string;
}

type News = { type: "tokens"; tokens: Tokens } | { type: "left" } | { type: "ask" };

const LOCK = "haltline-sign-in";
/** A token is renewed when so much of its life is left, but at most a minute. */
const EARLY = 0.2;
const EARLY_MAX = 60_000;

export class HaltlineSignIn {
  #options: SignInOptions;
  #tokens?: Tokens;
  #renewing?: Promise<Tokens | undefined>;
  #timer?: ReturnType<typeof setTimeout>;
  #channel = new BroadcastChannel(LOCK);
  #left = false;

  constructor(options: SignInOptions) {
    this.#options = options;
    this.#channel.onmessage = ({ data }: MessageEvent<News>) => {
      if (data.type === "left") return this.#leave();
      if (data.type === "tokens") return this.#take(data.tokens);
      if (this.#tokens && this.#isGood(this.#tokens)) this.#tell({ type: "tokens", tokens: this.#tokens });
    };
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#plan());
  }

  /** Who is signed in, as far as that is known. */
  get user(): string | undefined {
    return this.#tokens?.user;
  }

  /** `fetch` with the access token: for addresses of the gateway only. A 401 is tried again once, with a new token. */
  fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    if (new URL(String(input instanceof Request ? input.url : input), location.href).origin !== new URL(this.#options.url).origin) {
      throw new TypeError("The access token is for the gateway only.");
    }
    const first = await this.#good();
    const answer = await this.#send(input, init, first);
    if (answer.status !== 401 || !first) return answer;
    const second = await this.#renew(first.token);
    if (!second) return answer;
    await answer.body?.cancel();
    return this.#send(input, init, second);
  };

  /** Ends the sign-in here, in the other tabs, and at the gateway. */
  async leave(): Promise<void> {
    await navigator.locks.request(LOCK, async () => {
      const csrf = this.#tokens?.csrf ?? (await this.#session())?.csrf;
      if (csrf) await this.#ask("logout", { method: "POST", headers: { "x-haltline-csrf": csrf } }).catch(() => {});
    });
    this.#tell({ type: "left" });
    this.#leave();
  }

  #send(input: RequestInfo | URL, init: RequestInit, tokens: Tokens | undefined): Promise<Response> {
    const headers = new Headers(init.headers);
    if (tokens) headers.set("authorization", `Bearer ${tokens.token}`);
    return (this.#options.fetch ?? globalThis.fetch)(input, { ...init, headers, credentials: "omit" });
  }

  async #good(): Promise<Tokens | undefined> {
    if (this.#tokens && this.#isGood(this.#tokens)) return this.#tokens;
    return this.#renew(this.#tokens?.token);
  }

  #isGood = (tokens: Tokens) => Date.now() < tokens.expires - Math.min(tokens.life * EARLY, EARLY_MAX) / 2;

  /** Another token than `old`. Only one tab asks for it. */
  #renew(old: string | undefined): Promise<Tokens | undefined> {
    if (this.#left) return Promise.resolve(undefined);
    this.#renewing ??= navigator.locks
      .request(LOCK, async () => {
        if (this.#tokens && this.#tokens.token !== old && this.#isGood(this.#tokens)) return this.#tokens;
        const tokens = (await this.#refresh()) ?? (await this.#enter());
        if (!tokens) return undefined;
        this.#take(tokens);
        this.#tell({ type: "tokens", tokens });
        return tokens;
      })
      .finally(() => (this.#renewing = undefined))
      .then((tokens) => {
        if (!tokens) this.#leave();
        return tokens;
      });
    return this.#renewing;
  }

  /** By the cookie, if there is a good one. */
  async #refresh(): Promise<Tokens | undefined> {
    const csrf = this.#tokens?.csrf ?? (await this.#session())?.csrf;
    if (!csrf) return undefined;
    const refresh = (csrf: string) => this.#ask("refresh", { method: "POST", headers: { "x-haltline-csrf": csrf } });
    let answer = await refresh(csrf);
    // Another tab has signed in anew.
    if (answer.status === 403) {
      const now = (await this.#session())?.csrf;
      if (now && now !== csrf) answer = await refresh(now);
    }
    return this.#tokensOf(answer);
  }

  /** By a code of the app's server. */
  async #enter(): Promise<Tokens | undefined> {
    const code = await this.#options.code();
    if (!code) return undefined;
    const answer = await this.#ask("session", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code }) });
    return this.#tokensOf(answer);
  }

  async #session(): Promise<{ csrf: string } | undefined> {
    const answer = await this.#ask("session", { method: "GET" });
    return answer.ok ? ((await answer.json()) as { csrf: string }) : undefined;
  }

  async #tokensOf(answer: Response): Promise<Tokens | undefined> {
    if (answer.status === 401 || answer.status === 403) return undefined;
    // It is not known whether anybody is signed in: that must not sign anybody out.
    if (!answer.ok) throw new TypeError(`The gateway answers ${answer.status}.`);
    const { token, expires_at, csrf, user } = (await answer.json()) as { token: string; expires_at: string; csrf: string; user: string };
    const expires = Date.parse(expires_at);
    return { token, expires, life: expires - Date.now(), csrf, user };
  }

  #ask(what: string, init: RequestInit): Promise<Response> {
    return (this.#options.fetch ?? globalThis.fetch)(`${this.#options.url}/v1/auth/${what}`, { ...init, credentials: "include", cache: "no-store" });
  }

  #take(tokens: Tokens) {
    if (this.#left || (this.#tokens && tokens.expires < this.#tokens.expires)) return;
    this.#tokens = tokens;
    this.#plan();
  }

  /** Renews the token shortly before it ends; tabs out of sight do when they are looked at again. */
  #plan() {
    clearTimeout(this.#timer);
    if (!this.#tokens || this.#left || document.visibilityState !== "visible") return;
    const { expires, life, token } = this.#tokens;
    const wait = Math.max(0, expires - Math.min(life * EARLY, EARLY_MAX) - Date.now());
    this.#timer = setTimeout(() => void this.#renew(token).catch(() => {}), wait);
  }

  #tell = (news: News) => this.#channel.postMessage(news);

  #leave() {
    if (this.#left) return;
    this.#left = true;
    this.#tokens = undefined;
    clearTimeout(this.#timer);
    this.#options.onLeft();
  }
}
