// Passkeys: what the API says and what the browser wants are the same octets, written differently.

import { ask } from "./api.js";

/** Whether this browser knows passkeys, on this page. */
export const isThere = () => "credentials" in navigator && typeof PublicKeyCredential === "function";

function octets(text) {
  const base64 = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet));
  return btoa(letters.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** What the device said, in words: browsers say why in a way that tells nobody anything. */
async function fromDevice(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error.name === "InvalidStateError") throw new Error("This device has a passkey of yours already.");
    throw new Error("The device gave no passkey: it was refused, or took too long.");
  }
}

/** Makes a passkey in the device and has the gateway keep it. */
export async function make(name, password) {
  const wanted = await ask("/api/v1/account/passkeys/challenge", { method: "POST", body: { password } });
  const made = await fromDevice(navigator.credentials.create({
    publicKey: {
      rp: { id: wanted.rp_id, name: "Ringward" },
      user: { id: octets(wanted.user_id), name: wanted.name, displayName: wanted.person },
      challenge: octets(wanted.challenge),
      pubKeyCredParams: wanted.algorithms.map((alg) => ({ type: "public-key", alg })),
      excludeCredentials: wanted.known.map((id) => ({ type: "public-key", id: octets(id) })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
      timeout: wanted.timeout_ms,
    },
  }));
  const { response } = made;
  const key = response.getPublicKey();
  if (!key) throw new Error("The device makes keys that this browser cannot read.");
  return ask("/api/v1/account/passkeys", {
    method: "POST",
    body: {
      name,
      id: text(made.rawId),
      client_data: text(response.clientDataJSON),
      authenticator_data: text(response.getAuthenticatorData()),
      key: text(key),
      algorithm: response.getPublicKeyAlgorithm(),
    },
  });
}

/** Signs in by whichever passkey its person chooses; gives the session. */
export async function signIn() {
  const wanted = await ask("/api/v1/session/passkey");
  const shown = await fromDevice(navigator.credentials.get({
    publicKey: { rpId: wanted.rp_id, challenge: octets(wanted.challenge), userVerification: "required", timeout: wanted.timeout_ms },
  }));
  const { response } = shown;
  return ask("/api/v1/session/passkey", {
    method: "POST",
    body: {
      id: text(shown.rawId),
      client_data: text(response.clientDataJSON),
      authenticator_data: text(response.authenticatorData),
      signature: text(response.signature),
    },
  });
}
