// The page around a guest's screen: what it shows in each state, its buttons, and when it connects again.
//
// `document.body.dataset.state` is connecting, password, connected, disconnected (it ended in order) or failed, and
// `dataset.closeCode` the WebSocket's close code once there is one. Text from the server and the guest is only ever
// written as text.

import { describe } from "./endings.js";
import { Session } from "./session.js";

/** Which module shows which kind of console; the server has found out the kind. */
const CLIENTS = { vnc: "./vnc.js", spice: "./spice.js" };
/** Pauses before automatic tries, in seconds: soon after a blip, patient with a reboot, and then it is left to the person. */
const PAUSES = [2, 4, 8, 15, 30];
/** A connection that held this long was a good one, and what ends it is a new trouble with tries of its own. */
const STEADY_MS = 10_000;
/** Longest text shown from the server or the guest, in characters. A close reason is at most 123 bytes. */
const FOREIGN_TEXT = 200;

/** spice-html5 spoils one ticket in 256 (it drops a leading zero), on each channel; so a refusal counts only when it comes again. */
const SECOND_CHANCES = 2;
/** Remembers over a reload that the viewer's files did not load. */
const RELOADED = "console-reloaded";

const byId = (id) => document.getElementById(id);
const page = document.body.dataset;
const guestName = byId("guest-name").textContent;
const form = byId("password-form");

let client = null;
let session = null;
let credentials = null;
let fit = true;
let tries = 0;
let chances = SECOND_CHANCES;
let connectedAt = 0;
let countdown = 0;

// --- what is seen ---

/** Text from afar in one bounded line. QEMU ends its reasons with a NUL, and control characters could reorder the rest. */
function foreign(text) {
  return text.replace(/\p{C}+/gu, " ").trim().slice(0, FOREIGN_TEXT);
}

function show(state, status, { advice = "", detail = "" } = {}) {
  page.state = state;
  byId("status").textContent = status;
  byId("headline").textContent = status;
  byId("advice").textContent = advice;
  byId("reason").textContent = foreign(detail);
  document.title = `${guestName} – ${status}`;

  const connected = state === "connected";
  byId("send-cad").disabled = !connected;
  byId("panel").hidden = connected;
  byId("screen").tabIndex = connected ? 0 : -1;
  form.hidden = state !== "password";
  byId("reconnect-now").hidden = state !== "failed" && state !== "disconnected";
  if (connected) session.viewer.focus();
  else if (state === "password") byId(byId("username-field").hidden ? "password" : "username").focus();
  // Not the button: a key meant for the guest must not press it.
  else byId("panel").focus();
}

// --- connecting ---

/**
 * Where the settings say that browsers connect, and for the rest where the page came from; its own path, too, so that whatever prefix a
 * reverse proxy puts before it holds for the WebSocket.
 */
function address() {
  const query = new URLSearchParams();
  const own = new URLSearchParams(location.search);
  // In the query and not in the cookie: two tabs would overwrite each other's, and the panel's.
  for (const key of ["token", "graphics"]) if (own.has(key)) query.set(key, own.get(key));
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const port = page.publicPort || location.port;
  const host = (page.publicHost || location.hostname) + (port && `:${port}`);
  return `${scheme}://${host}${page.publicPath || location.pathname}?${query}`;
}

/** Whether this page has not been loaded anew by itself yet; where the browser keeps nothing, it had better not be. */
function isFirstReload() {
  try {
    const first = !sessionStorage.getItem(RELOADED);
    sessionStorage.setItem(RELOADED, "1");
    return first;
  } catch {
    return false;
  }
}

async function connect() {
  clearRetry();
  session?.abandon();
  delete page.closeCode;
  show("connecting", "Connecting");
  try {
    client ??= await import(CLIENTS[page.kind]);
  } catch (error) {
    console.error(error);
    // Browsers remember a module that failed to load, so only a new page can load it; once by itself.
    if (isFirstReload()) {
      location.reload();
      return;
    }
    onEnd({ cause: "files", reason: "" });
    return;
  }
  session = new Session({
    client,
    url: address(),
    screen: byId("screen"),
    fit,
    credentials,
    onConnected,
    onPassword: askPassword,
    onName: (name) => (byId("guest-name").title = foreign(name)),
    onEnd,
  });
}

function onConnected() {
  chances = SECOND_CHANCES;
  connectedAt = performance.now();
  show("connected", "Connected");
}

function onEnd(end) {
  if (end.code !== undefined) page.closeCode = end.code;
  if (end.connected && performance.now() - connectedAt > STEADY_MS) tries = 0;
  if ((end.cause === "password" || end.cause === "channel") && chances > 0) {
    chances -= 1;
    connect();
    return;
  }
  const given = credentials !== null;
  const wrongPassword = given && (end.cause === "refused" || end.cause === "password");
  // A password that has not opened the screen is not tried a second time.
  if (!end.connected) credentials = null;
  if (wrongPassword) {
    askPassword(null, { advice: "That was not accepted. Please try again.", detail: end.reason });
    return;
  }
  if (end.cause === "password") {
    askPassword(["password"]);
    return;
  }
  const { state, status, transient, ...text } = describe(end);
  show(state, status, text);
  if (transient && tries < PAUSES.length) retryIn(PAUSES[tries]);
}

// --- connecting again ---

function retryIn(seconds) {
  tries += 1;
  byId("stop").hidden = false;
  const due = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((due - performance.now()) / 1000);
    if (left <= 0) connect();
    else byId("countdown").textContent = `Reconnecting in ${left} s (${tries} of ${PAUSES.length})`;
  };
  countdown = setInterval(tick, 250);
  tick();
}

function clearRetry() {
  clearInterval(countdown);
  byId("stop").hidden = true;
  byId("countdown").textContent = "";
}

function reconnect() {
  // Browsers remember a module that failed to load, so only a new page can load it.
  if (!client) location.reload();
  tries = 0;
  connect();
}

// --- the password ---

/** @param {string[]|null} types what the guest asks for; null asks for the same as before */
function askPassword(types, text = { advice: "This guest's console is protected by a password." }) {
  if (types) byId("username-field").hidden = !types.includes("username");
  byId("password").value = "";
  show("password", "Password needed", text);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  credentials = { username: byId("username").value, password: byId("password").value, target: "" };
  chances = SECOND_CHANCES;
  byId("password").value = "";
  // After a wrong password the guest has hung up, and the next try needs a connection of its own.
  if (session.ended) {
    connect();
  } else {
    show("connecting", "Signing in");
    session.sendCredentials(credentials);
  }
});

// --- the toolbar ---

/** A mouse user goes on typing into the guest; who came by keyboard stays in the toolbar. */
function button(id, action) {
  byId(id).addEventListener("click", (event) => {
    action();
    if (event.detail > 0 && session?.connected) session.viewer.focus();
  });
}

button("send-cad", () => session.viewer.sendCtrlAltDel());
button("scaling", () => {
  fit = !fit;
  byId("scaling").setAttribute("aria-pressed", String(fit));
  if (session?.connected) session.viewer.fit = fit;
});
button("fullscreen", async () => {
  try {
    if (document.fullscreenElement) return await document.exitFullscreen();
    await document.documentElement.requestFullscreen();
    // Where the browser can, Escape, Ctrl-W and the like go to the guest as well; holding Escape still leaves.
    await navigator.keyboard?.lock?.();
  } catch (error) {
    console.warn(error); // The browser's choice, and the console works all the same.
  }
});
button("reconnect", reconnect);
button("reconnect-now", reconnect);
button("stop", () => {
  clearRetry();
  byId("panel").focus();
});
byId("fullscreen").hidden = !document.fullscreenEnabled;
document.addEventListener("fullscreenchange", () => {
  const words = document.fullscreenElement ? "Leave full screen" : "Full screen";
  byId("fullscreen").title = words;
  byId("fullscreen").querySelector("span").textContent = words;
});

// noVNC takes its canvas out of the order of Tab; the frame around it stands in, and takes clicks beside it too.
byId("screen").addEventListener("focus", () => {
  if (session?.connected) session.viewer.focus();
});

// The guest gets every key, Tab included, so there must be another way out: Ctrl, Alt and Shift pressed together and let
// go with no other key between. It acts on letting go, so that none of them stays pressed in the guest.
let leaving = false;
byId("screen").addEventListener("keydown", (event) => {
  const modifier = ["Control", "Alt", "Shift", "Meta"].includes(event.key);
  leaving = modifier && (leaving || (event.ctrlKey && event.altKey && event.shiftKey));
}, true);
byId("screen").addEventListener("keyup", (event) => {
  if (!leaving || event.ctrlKey || event.altKey || event.shiftKey) return;
  leaving = false;
  setTimeout(() => byId("send-cad").focus());
}, true);

connect();
