(...values) => {
  const begins = BEGINS, address = new URL(location.href);
  Object.keys(begins).forEach((name, at) => {
    if (values[at] === begins[name]) address.searchParams.delete(name);
    else address.searchParams.set(name, values[at]);
  });
  history.replaceState(history.state, "", address);
}
