// The SPICE viewer: spice-html5 behind the same few calls as noVNC in vnc.js. Works with spice-html5 0.3 (Debian 12), as it
// is.
//
// spice-html5 opens a WebSocket for each channel by itself and tells nobody how one ended. So while a viewer is alive, the
// name `WebSocket` is ours: the first one it opens is the session's own (the main channel), and the others are watched.

import { SpiceMainConn, sendCtrlAltDel } from "./spice-html5/main.js";

/** The element that spice-html5 finds by its id and fills. */
const HOLDER = "spice-screen";
/** What spice-html5 says of a ticket (password) that is wrong or missing. */
const DENIED = "Permission denied.";

/** How often a new console is asked whether it is ready. */
const READY_MS = 50;

const BrowserSocket = globalThis.WebSocket;

/** See vnc.js for the options; also `onClosed: (code, reason) => void`, a channel without which the screen is dead has ended. */
export function connect({ screen, fit, credentials, openSocket, onConnected, onPassword, onFailure, onClosed }) {
  const holder = document.createElement("div");
  holder.id = HOLDER;
  screen.replaceChildren(holder);
  let alive = true;
  let scaled = fit;
  let main = null;
  let connected = false;

  const canvas = () => holder.querySelector("canvas");

  function watched(url, protocols) {
    if (main === null) return openSocket(protocols);
    const socket = new BrowserSocket(url, protocols);
    socket.addEventListener("close", ({ code, reason }) => {
      const needed = [main.display, main.inputs].some((channel) => channel?.ws === socket);
      if (!alive || !needed) return;
      // Before the console was ready: the guest took the ticket on one channel and not on another.
      if (!connected && code < 4000) onFailure("channel", "");
      else onClosed(code, reason);
    });
    return socket;
  }

  // A transform and not a width: the pointer's place stays in the guest's own pixels.
  function place() {
    const picture = canvas();
    if (!picture) return;
    const scale = scaled ? Math.min(screen.clientWidth / picture.width, screen.clientHeight / picture.height) : 1;
    const left = Math.max(0, (screen.clientWidth - picture.width * scale) / 2);
    const top = Math.max(0, (screen.clientHeight - picture.height * scale) / 2);
    screen.style.overflow = scaled ? "hidden" : "auto";
    holder.style.width = `${picture.width}px`;
    holder.style.transformOrigin = "0 0";
    holder.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  }

  // The picture comes with the display channel, and anew whenever the guest changes its resolution.
  const pictures = new MutationObserver(place);
  pictures.observe(holder, { childList: true });
  // Keys that come before the inputs channel is ready are lost, and nothing tells when it is.
  const ready = setInterval(() => {
    if (!canvas() || main.inputs?.state !== "ready") return;
    clearInterval(ready);
    connected = true;
    onConnected();
  }, READY_MS);
  const sizes = new ResizeObserver(place);
  sizes.observe(screen);
  // spice-html5 keeps the browser from moving the focus by a click.
  holder.addEventListener("mousedown", () => canvas()?.focus(), true);

  function failed(error) {
    // A socket's error event says nothing; its close event follows.
    if (!alive || !(error instanceof Error)) return;
    if (error.message === DENIED) onFailure("password", "");
    else if (error.message.includes("reply link error")) onFailure("link", error.message.replace(/^Error: /, ""));
    else onFailure("mismatch", "");
  }

  function close() {
    if (!alive) return;
    alive = false;
    globalThis.WebSocket = BrowserSocket;
    clearInterval(ready);
    pictures.disconnect();
    sizes.disconnect();
    try {
      main?.stop();
    } finally {
      holder.remove();
      screen.style.overflow = "";
    }
  }

  globalThis.WebSocket = Object.assign(function WebSocket(url, protocols) {
    return watched(url, protocols);
  }, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
  try {
    // The address is the session's business.
    main = new SpiceMainConn({
      uri: "session",
      screen_id: HOLDER,
      password: credentials?.password ?? "",
      onerror: failed,
    });
  } catch (error) {
    close();
    throw error;
  }

  return {
    focus: () => canvas()?.focus(),
    sendCtrlAltDel: () => sendCtrlAltDel(main),
    /** A ticket cannot be given later: the server hangs up over a wrong one. The page connects anew. */
    sendCredentials: () => onPassword(["password"]),
    set fit(on) {
      scaled = on;
      place();
    },
    close,
  };
}
