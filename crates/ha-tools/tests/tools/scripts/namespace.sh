# Prepares a namespace for a comparison with the legacy, and defines the commands of the cases; see legacy.rs.
#
# An overlay on /etc/ha.d and /sbin keeps the machine's own files untouched; the reboot commands are stand-ins that only
# tell that they were called.
set -e
mount -t tmpfs tmpfs /mnt
overlay() {
	mkdir -p "/mnt/$1/upper" "/mnt/$1/work"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=/mnt/$1/upper,workdir=/mnt/$1/work" "$2"
}
overlay config /etc/ha.d
overlay sbin "$(readlink -f /sbin)"
mkdir /mnt/state /mnt/tree
mount --bind /mnt/state /var/lib/heartbeat
hostname alpha
mkfifo /var/lib/heartbeat/fifo
exec 3<>/var/lib/heartbeat/fifo
cp "$SCRIPTS/test-resource" /etc/ha.d/resource.d/Test
cp "$SCRIPTS/local_giveip" /etc/ha.d/rc.d/local_giveip
for program in reboot init; do
	printf '#!/bin/sh\necho "%s $*" >>/mnt/tree/runs\n' $program >/mnt/$program
	chmod +x /mnt/$program
	mv /mnt/$program /sbin/$program
done
cat >/etc/ha.d/haresources <<'END'
# comment line
ALPHA Test::k1 Test::k2::x::y \
    Test::k3
beta	Test::b1   Test::b2    # comment
alpha   Test::c1::a::b
beta Test::b3
END
if [ "$UNDER" = Ours ]; then
	mkdir /mnt/tools
	cp "$TOOLS" /mnt/tools/ha-tools
	for tool in ResourceManager hb_addnode hb_delnode hb_setsite hb_setweight hb_standby hb_takeover mach_down \
		req_resource; do
		ln -s ha-tools "/mnt/tools/$tool"
	done
	mount --bind /mnt/tools /usr/share/heartbeat
	for handler in status ip-request ip-request-resp hb_takeover; do
		ln -sf /usr/share/heartbeat/ha-tools "/etc/ha.d/rc.d/$handler"
	done
fi
set +e
export TREE=/mnt/tree HA_CURHOST=alpha HA_STOPRETRYMAX=1 HA_FUNCS=/etc/ha.d/shellfuncs
export HA_DATEFMT='DATE ' HA_LOGFILE=/mnt/tree/log HA_DEBUGLOG=/mnt/tree/debug
cd /mnt/tree

# run COMMAND...: the command's results, and what it did.
run() {
	rm -f log debug runs
	echo "### $*"
	"$@" >out 2>err
	echo "exit $?"
	for result in out err log runs; do
		[ -s $result ] && sed "s/^/$result| /" $result
	done
	dd iflag=nonblock bs=4096 <&3 2>/dev/null | sed 's/^/fifo| /'
}
manager() { run /usr/share/heartbeat/ResourceManager "$@"; }
tool() { run /usr/share/heartbeat/"$@"; }
# handler TYPE FIELD...
handler() {
	type=$1
	shift
	run env "$@" HA_t=$type /etc/ha.d/rc.d/$type $type
}
