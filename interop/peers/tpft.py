import tpft


def arguments(*words):
    return tpft.arg_parser.parse_args(words)


class Tpft(Driver):
    def listen(self, folder):
        """Serves folder, the command line's -l."""
        os.chdir(folder)
        address = "127.0.0.1:%d" % PORT
        threading.Thread(target=tpft.handle_server, args=(arguments("-v", "-l", address),), daemon=True).start()
        return listening.get(timeout=PATIENCE)

    def copy(self, source, destination):
        """The command line of a client. It does not say whether it succeeded."""
        tpft.handle_client(arguments(source, destination))

    def file(self, path, size):
        """Waits until a file has its size, and describes what is in it."""
        until(lambda: os.path.exists(path) and os.path.getsize(path) == size)
        with open(path, "rb") as f:
            return describe(f.read())


follow(Tpft())
