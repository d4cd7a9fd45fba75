// What stays on the phone: who this till is, and the queue of what was taken without a connection.

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("till", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("kept");
      request.result.createObjectStore("queue", { keyPath: "id" });
      request.result.createObjectStore("told", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(store, mode, deed) {
  const database = await open();
  return new Promise((resolve, reject) => {
    // "strict": on the disk before the cashier is told that it was taken.
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const request = deed(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

export const kept = {
  get: (name) => run("kept", "readonly", (store) => store.get(name)),
  put: (name, value) => run("kept", "readwrite", (store) => store.put(value, name)),
  clear: () => run("kept", "readwrite", (store) => store.clear()),
};

function list(name) {
  return {
    all: async () => (await run(name, "readonly", (store) => store.getAll())).sort((a, b) => a.at.localeCompare(b.at)),
    put: (item) => run(name, "readwrite", (store) => store.put(item)),
    remove: (id) => run(name, "readwrite", (store) => store.delete(id)),
  };
}

export const queue = list("queue");
export const told = list("told");
