// Finding and making elements. What people or files are called goes in as text only, never as HTML.

const TEXT_PROPERTIES = new Set(["textContent", "className", "value", "htmlFor", "href", "src"]);

export const byId = (id) => document.getElementById(id);

// Makes an element; booleans, functions and texts are set as properties, all else as attributes.
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (TEXT_PROPERTIES.has(key) || typeof value === "boolean" || typeof value === "function") {
      element[key] = value;
    } else {
      element.setAttribute(key, value);
    }
  }
  element.append(...children);
  return element;
}

// A name whose direction of writing must not disturb what is around it.
export const nameOf = (name, properties = {}) => make("bdi", { textContent: name, ...properties });

export function say(element, sentence, kind = "") {
  element.className = kind;
  element.textContent = sentence;
}
