// The VNC viewer: noVNC behind the few calls that session.js and console.js make. Works with noVNC 1.3 (Debian 12) to
// 1.7; a viewer for another protocol exports the same `connect`.

import RFB from "./novnc/core/rfb.js";

/**
 * @param {object} options
 * @param {Element} options.screen gets the canvas as its child
 * @param {boolean} options.fit see the returned `fit`
 * @param {{username?: string, password?: string}|null} options.credentials used if the server asks
 * @param {() => WebSocket} options.openSocket a new connection to the guest's console
 * @param {() => void} options.onConnected the handshake is over
 * @param {(types: string[]) => void} options.onPassword `sendCredentials` is waited for, with these
 * @param {(name: string) => void} options.onName the server's name for the screen, untrusted
 * @param {(cause: "refused"|"mismatch", reason: string) => void} options.onFailure the protocol failed
 */
export function connect({ screen, fit, credentials, openSocket, onConnected, onPassword, onName, onFailure }) {
  // noVNC takes over a socket only if it is handed over in the turn that opened it: it misses what came earlier.
  const rfb = new RFB(screen, openSocket(), { shared: true, credentials: credentials ?? {} });
  let alive = true;

  rfb.background = "transparent";
  rfb.scaleViewport = fit;
  // Without it the pointer is invisible on guests that draw none, text consoles first of all.
  rfb.showDotCursor = true;

  rfb.addEventListener("connect", onConnected);
  rfb.addEventListener("credentialsrequired", ({ detail }) => onPassword(detail.types));
  rfb.addEventListener("desktopname", ({ detail }) => onName(detail.name));
  rfb.addEventListener("securityfailure", ({ detail }) => onFailure("refused", detail.reason ?? ""));
  rfb.addEventListener("disconnect", ({ detail }) => {
    alive = false;
    // "clean" also comes when the other side closed, and then the socket's close event has told the session.
    if (!detail.clean) onFailure("mismatch", "");
  });

  return {
    focus: () => rfb.focus(),
    sendCtrlAltDel: () => rfb.sendCtrlAltDel(),
    sendCredentials: (given) => rfb.sendCredentials(given),
    /** Whether the guest's screen is scaled to the window; else it is shown pixel by pixel, with scroll bars. */
    set fit(on) {
      rfb.scaleViewport = on;
    },
    /** Takes the canvas away. noVNC logs an error if it is told twice. */
    close() {
      if (alive) rfb.disconnect();
      alive = false;
    },
  };
}
