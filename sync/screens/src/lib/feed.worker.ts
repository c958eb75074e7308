// One live connection for all tabs of a browser: a browser allows six
// connections to a host, and a desk with four tabs must still be able to act.
import { Feed, type Message } from "./feed";

const tabs = new Set<MessagePort>();
let feed: Feed | null = null;

const tell = (m: Message): void => {
  for (const t of tabs) t.postMessage(m);
};

(globalThis as unknown as { onconnect: (e: MessageEvent) => void }).onconnect = (e) => {
  const port = e.ports[0]!;
  tabs.add(port);
  port.onmessage = (m: MessageEvent<{ kind: "restart"; forget: boolean } | { kind: "bye" }>) => {
    if (m.data.kind === "bye") tabs.delete(port);
    else feed?.restart(m.data.forget);
  };
  feed ??= new Feed(tell);
  if (feed.out) feed.restart(true); // a tab comes with a session; another's had ended
  port.postMessage(feed.present());
};
