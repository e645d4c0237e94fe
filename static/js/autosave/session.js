/* The sentences of this page, and who is signed in behind it. */

export const TOKEN = "csrfmiddlewaretoken";
export const words = document.getElementById("autosave").dataset;
/** The sentence with the value in its place, which the translations name in braces. */
export const sentence = (text, value) => text.replace(/\{\w+\}/, () => value);

/** "same", "other" or "nobody"; every form on the page then has the token it needs. Raises where there is no connection. */
export async function askSession() {
  const answer = await fetch(words.session, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (answer.status === 401) return "nobody";
  if (!answer.ok) throw new Error(String(answer.status));
  const { person, token } = await answer.json();
  if (words.person && person !== words.person) return "other";
  for (const input of document.querySelectorAll(`input[name=${TOKEN}]`)) input.value = token;
  document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  return "same";
}
