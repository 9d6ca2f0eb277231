// One connection from opening to its end, for any kind of viewer. It owns the WebSocket, so that it sees close code and
// reason, and it bounds every wait. However many things go wrong at the same time, `onEnd` is called once.

/** From opening the WebSocket to its 101. The server answers before it looks anything up, so this is network time only. */
const OPEN_MS = 10_000;
/** From the 101 to a working screen. Longer than the server's own time-outs, whose close codes say more than we can. */
const GREETING_MS = 45_000;
/** How long a viewer's failure waits for the server's close code, which knows better why. */
const CLOSE_GRACE_MS = 1_000;
/** Codes that after a viewer's failure only say that somebody hung up because of it; every other is the server's verdict. */
const HUNG_UP = [1000, 1005, 1006, 4502];

/** A viewer may put its own in the place of the global name. */
const BrowserSocket = globalThis.WebSocket;

export class Session {
  #options;
  #socket = null;
  #viewer = null;
  #timer = 0;
  #opened = false;
  #connected = false;
  #ended = false;
  #failure = null;

  /**
   * @param {object} options
   * @param {{connect: Function}} options.client module of the viewer (vnc.js says what it must export)
   * @param {string} options.url WebSocket address
   * @param {Element} options.screen where the viewer puts its canvas
   * @param {boolean} options.fit whether the guest's screen is scaled to the window
   * @param {object|null} options.credentials given if the guest asks; null lets it ask
   * @param {() => void} options.onConnected the guest's screen is there
   * @param {(types: string[]) => void} options.onPassword the guest wants these credentials
   * @param {(name: string) => void} options.onName the guest's own, untrusted name for its screen
   * @param {(end: object) => void} options.onEnd see endings.js
   */
  constructor(options) {
    this.#options = options;
    try {
      this.#viewer = options.client.connect({
        screen: options.screen,
        fit: options.fit,
        credentials: options.credentials,
        openSocket: (protocols) => this.#open(protocols),
        onConnected: () => this.#ready(),
        onPassword: (types) => this.#ask(types),
        onName: options.onName,
        onFailure: (cause, reason) => this.#fail(cause, reason),
        onClosed: (code, reason) => this.#closed(code, reason),
      });
    } catch (error) {
      console.error(error);
      // Closed at birth means that the browser refused the address, and Chromium tells that by no event of its own.
      const usable = this.#socket && this.#socket.readyState !== BrowserSocket.CLOSED;
      // Not at once: the caller does not hold this session yet.
      queueMicrotask(() => this.#end({ cause: usable ? "mismatch" : "address", reason: "" }));
    }
  }

  get connected() {
    return this.#connected && !this.#ended;
  }

  get ended() {
    return this.#ended;
  }

  get viewer() {
    return this.#viewer;
  }

  sendCredentials(credentials) {
    this.#wait(GREETING_MS, "silent");
    this.#viewer.sendCredentials(credentials);
  }

  /** Ends it without a word to anybody: the person has asked for another one. */
  abandon() {
    this.#stop();
  }

  #open(protocols = []) {
    this.#socket = new BrowserSocket(this.#options.url, protocols);
    this.#wait(OPEN_MS, "unopened");
    this.#socket.addEventListener("open", () => {
      this.#opened = true;
      this.#wait(GREETING_MS, "silent");
    });
    // Added before the viewer takes the socket, so the code is known before the viewer tells of its own trouble.
    this.#socket.addEventListener("close", ({ code, reason }) => this.#closed(code, reason));
    return this.#socket;
  }

  #ready() {
    clearTimeout(this.#timer);
    this.#connected = true;
    if (!this.#ended) this.#options.onConnected();
  }

  #ask(types) {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#options.onPassword(types);
  }

  #fail(cause, reason) {
    // A refusal says more than the disconnect that follows it.
    this.#failure ??= { cause, reason };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(this.#failure), CLOSE_GRACE_MS);
    this.#socket?.close();
  }

  #closed(code, reason) {
    // The console server says its own refusals twice, in the guest's protocol and with the close code. SPICE has only a
    // number for them, so the words that come with the code are the better ones.
    const own = this.#failure?.cause === "link" ? code >= 4000 : this.#failure?.reason && this.#failure.reason === reason;
    this.#end({ reason, ...(HUNG_UP.includes(code) && !own ? this.#failure : null), code });
  }

  #wait(milliseconds, cause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end({ cause, reason: "" }), milliseconds);
  }

  #end(how) {
    if (this.#ended) return;
    this.#stop();
    this.#options.onEnd({
      ...how,
      opened: this.#opened,
      connected: this.#connected,
      host: this.#socket ? new URL(this.#socket.url).host : "",
    });
  }

  #stop() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#viewer?.close();
    this.#socket?.close();
  }
}
