#!/bin/sh
# Logging for scripts of fencing devices, which find this in their search path:
#
#   ha_log.sh err "the device does not answer"       as a command; read with "." it offers ha_log and ha_debug
#
# The text goes where heartbeat logs: HA_logfile, else syslog by HA_logfacility, and to nowhere else.

ha_log_line() {
	level=$1
	shift
	tag=${HA_LOGTAG:-stonith}
	case $level in
	debug) [ "${HA_debug:-0}" -gt 0 ] 2>/dev/null || return 0 ;;
	esac
	if [ -n "${HA_logfile:-}" ]; then
		case $level in
		err | error) word=ERROR ;;
		warn | warning) word=WARN ;;
		crit) word=CRIT ;;
		*) word=$level ;;
		esac
		printf '%s[%s]:\t%s %s: %s\n' "$tag" "$$" "$(date +%Y/%m/%d_%T)" "$word" "$*" >>"$HA_logfile"
	fi
	case ${HA_logfacility:-} in
	none) ;;
	'')
		# Without either, somebody tries a script by hand.
		[ -n "${HA_logfile:-}" ] || printf '%s: %s\n' "$level" "$*" >&2
		;;
	*)
		case $level in
		error) level=err ;;
		warning) level=warn ;;
		err | warn | crit | info | notice | debug) ;;
		*) level=info ;;
		esac
		logger -t "$tag" -p "$HA_logfacility.$level" -- "$*" 2>/dev/null
		;;
	esac
	return 0
}

ha_log() {
	case $1 in
	ERROR:*) ha_log_line err "$@" ;;
	WARN*) ha_log_line warn "$@" ;;
	*) ha_log_line info "$@" ;;
	esac
}

ha_debug() {
	ha_log_line debug "$@"
}

# As a command, and not read by a script of another name.
case ${0##*/} in
ha_log.sh)
	[ $# -ge 2 ] || {
		echo "usage: ha_log.sh {crit|err|warn|info|debug} message" >&2
		exit 1
	}
	ha_log_line "$@"
	;;
esac
