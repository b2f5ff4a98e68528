"""Runs a command on a terminal of its own.

Standard input is typed, and what the terminal shows goes to standard output. When standard input
ends, the terminal hangs up. At the end, standard error says whether the terminal is as it was.
"""
import fcntl, os, select, struct, sys, termios

master, slave = os.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(slave)
print("terminal", os.ttyname(slave), file=sys.stderr, flush=True)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.close(master)
    os.execvp(sys.argv[1], sys.argv[1:])
print("child", child, file=sys.stderr, flush=True)
ended = 0
while True:
    ready, _, _ = select.select([master, 0], [], [], 0.05)
    if master in ready:
        os.write(1, os.read(master, 65536))
    elif ended:
        break
    if 0 in ready:
        typed = os.read(0, 1024)
        if not typed:
            os.close(master)
            os.close(slave)
            _, status = os.waitpid(child, 0)
            print("hung up, status", os.waitstatus_to_exitcode(status), file=sys.stderr)
            sys.exit()
        os.write(master, typed)
    if not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
same = "same" if termios.tcgetattr(slave) == before else "changed"
print(same, "terminal, status", os.waitstatus_to_exitcode(status), file=sys.stderr)
