// node's own fetch. It looks at the environment where the version has NODE_USE_ENV_PROXY (from 22.21 and 24.0); older ones are redirected.

const url = JSON.parse(process.argv[2]);
const bearer = {authorization: `Bearer ${process.env.CLIENT_TOKEN}`};
const seen = {};

async function check(name, work) {
  try {
    seen[name] = await work();
  } catch (error) {
    seen[name] = [error, error.cause, error.cause?.cause].filter(Boolean).map(String).join("; ");
  }
  if (typeof seen[name] !== "string") seen[name] = JSON.stringify(seen[name]);
}

await check("allowed", async () => (await (await fetch(`${url.web}/hello`)).json()).hello);
await check("plain", async () => (await (await fetch(`${url.plain}/hello`)).json()).hello);
await check("bearer", async () => (await (await fetch(`${url.web}/private`, {headers: bearer})).json()));
await check("upload", async () => (await (await fetch(`${url.web}/upload`, {method: "POST", body: new Uint8Array(5_000_000)})).json()).bytes);
await check("events", async () => (await (await fetch(`${url.web}/events/3`)).text()).split("\n").filter(Boolean).length);
await check("parallel", async () => {
  const all = await Promise.all(Array.from({length: 20}, () => fetch(`${url.web}/hello`).then((answer) => answer.json())));
  return all.filter((answer) => answer.hello === "world").length;
});
await check("denied", () => fetch(`${url.denied}/hello`).then(() => "answered", () => "refused"));
console.log(JSON.stringify(seen));
