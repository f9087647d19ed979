// Words to click. Given by the page: element, trigger, props, watch.

function show(groups) {
  const list = element.querySelector(".sv-chips");
  list.replaceChildren(...Object.entries(groups ?? {}).flatMap(([kind, words]) => {
    const name = document.createElement("span");
    name.className = "sv-kind";
    name.textContent = kind;
    const chips = words.map((word) => {
      const chip = document.createElement("button");
      Object.assign(chip, { type: "button", className: "sv-chip", textContent: word });
      chip.addEventListener("click", () => trigger("pick", { word, kind }));
      return chip;
    });
    return [name, ...chips];
  }));
}

watch("value", () => show(props.value));
show(props.value);
