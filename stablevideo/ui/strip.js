// Pictures in a row, each with its words, to be clicked. Given by the page: element, trigger, props, watch.

const row = element.querySelector(".sv-strip");

function show(value) {
  const items = Array.isArray(value) ? value : []; // an empty text, before there are any
  row.hidden = !items.length;
  row.replaceChildren(...items.map(({ file, words }, number) => {
    const button = document.createElement("button"), picture = document.createElement("img");
    Object.assign(button, { type: "button", className: "sv-earlier", title: "take this up again" });
    Object.assign(picture, { src: file.url, alt: "" });
    button.append(picture, words);
    button.addEventListener("click", () => trigger("take", { number }));
    return button;
  }));
}

watch("value", () => show(props.value));
show(props.value);
