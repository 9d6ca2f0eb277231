// What a person reads when a console ends: for every way to end, a few words for the status line and what can be done
// about it. The close codes are the server's contract (docs/architecture.md, "Close codes"); 1005 and 1006 are the
// browser's own (RFC 6455 section 7.4.1), and the names in letters are endings that only this page can notice.

const ENDINGS = {
  1000: ["Console closed", "The guest ended the connection, most often because it was shut down. Start it if it is off, then reconnect."],
  1001: ["Console server is stopping", "It is being restarted or updated, and the guest itself keeps running."],
  1003: ["Page and server disagree", "The console server did not understand this page. Reload the page; if that does not help, tell your administrator."],
  1005: ["Console closed", "The connection ended without a reason being given. Reconnect to go on."],
  1006: ["Connection lost", "The network or the console server went away. The guest itself keeps running."],
  1009: ["Too much at once", "This page sent more than the console server takes in one message. Reconnect to go on."],
  1011: ["Console server error", "Something went wrong inside the console server, and its log says what. Reconnect; if it happens again, tell your administrator."],
  1012: ["Console server is restarting", "The guest itself keeps running."],
  1013: ["Too many consoles open", "Close one that is no longer needed, or wait a minute, then reconnect."],
  4400: ["Incomplete address", "The address of this page does not name a guest. Open the console again from the panel."],
  4404: ["Guest not found", "It may have been removed or moved to another host. Open the console again from the panel."],
  4409: ["No console to show", "The guest is shut off, or its settings leave no console that can be reached. Start it, or check its graphics device, then reconnect."],
  4502: ["Guest's console unreachable", "The connection to the guest's console was refused or lost. The guest may just be starting or stopping: reconnect in a moment."],
  4503: ["Hypervisor not answering", "The guest could not be looked up. Reconnect in a moment; if it stays like this, tell your administrator."],
  4504: ["Guest's console timed out", "The guest's console did not answer in time. Its host may be busy, or a firewall may be in the way."],
  refused: ["Connection refused", "The guest's console server refused this connection."],
  channel: ["Connection refused", "The guest's console server refused a part of this connection."],
  link: ["Connection refused", "The guest's console server refused this connection."],
  password: ["Password needed", "This guest's console is protected by a password."],
  mismatch: ["Unexpected answer", "This page and the guest's console server could not agree. The guest may ask for a kind of sign-in or encryption that browsers cannot do."],
  silent: ["Guest's console is silent", "The connection is there, but the guest's console sends nothing. The guest may be paused or its host overloaded."],
  unopened: ["No connection", "The console server did not answer within 10 seconds. A firewall or a proxy on the way may be holding the connection back."],
  address: ["Wrong console address", "The browser refuses the address that this page was given for consoles. Tell your administrator to check the setting public_host."],
  files: ["Viewer did not load", "The files of the console's viewer could not be loaded. Reload the page; if that does not help, tell your administrator."],
};

// Orderly ends are not failures, and nobody has to be alarmed by them.
const CLEAN = [1000, 1001, 1005];

// Only what passes by itself is tried again without being asked: the others want a person to change something first.
const TRANSIENT = [1001, 1006, 1012];

/**
 * @param {{code?: number, cause?: string, reason: string, opened: boolean, connected: boolean, host: string}} end
 * @returns {{state: string, status: string, advice: string, detail: string, transient: boolean}}
 */
export function describe({ code, cause, reason, opened, connected, host }) {
  let [status, advice] = ENDINGS[cause ?? code] ?? ["Connection ended", "Reconnect to go on."];
  if (code === 1006 && !opened && !cause) {
    // The browser hides from scripts why a connection never opened, so all that can be said is what to look at.
    status = "No connection";
    advice = `The console server at ${host} cannot be reached from here, does not accept this page, or has a certificate that this browser does not trust.`;
  } else if (CLEAN.includes(code) && code !== 1001 && !connected && !cause) {
    advice = "The guest's console hung up before it showed anything. It may be in use by another viewer, or the guest is just stopping.";
  } else if (cause === "mismatch" && connected) {
    advice = "The guest's console sent something that this viewer cannot read. Reconnect to go on.";
  }
  // Where the page knows better than the code, the code would only mislead.
  const number = cause ? "" : `code ${code}`;
  return {
    state: !cause && CLEAN.includes(code) ? "disconnected" : "failed",
    status,
    advice,
    detail: reason && number ? `${reason} (${number})` : reason || number,
    transient: !cause && TRANSIENT.includes(code),
  };
}
