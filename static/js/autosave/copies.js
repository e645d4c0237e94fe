/* Copies in this browser of what the server does not have yet: per person, address and visit. */

import { words } from "./session.js";

const KEPT_DAYS = 30;
export const OWN = `autosave:${words.person}:`;
export const PAGE = `${OWN}${location.pathname}:`;
const visit = Math.random().toString(36).slice(2);

/** A form's own place, another one at each visit: two tabs do not overwrite each other. */
export const placeOf = (number) => `${PAGE}${visit}.${number}`;

export const copies = {
  write(key, fields) {
    try {
      localStorage.setItem(key, JSON.stringify({ at: Date.now(), fields }));
    } catch {
      // Full or forbidden: then there is no copy, and the status does not promise one.
      return false;
    }
    return true;
  },
  remove(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      // Forbidden: there is none either.
    }
  },
  /** [key, copy] of those whose key begins so, the newest first. */
  all(prefix) {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(prefix))
        .map((key) => [key, JSON.parse(localStorage.getItem(key))])
        .sort(([, one], [, other]) => other.at - one.at);
    } catch {
      return [];
    }
  },
};

for (const [key, copy] of copies.all("autosave:")) {
  if (Date.now() - copy.at > KEPT_DAYS * 86400000) copies.remove(key);
}
