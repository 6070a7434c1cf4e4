#!/bin/sh
# One task of a chaos job. It writes down what happens to it in a diary of its own, outside batchio:
# WHAT TASK ATTEMPT SECONDS-SINCE-THE-BOOT. Arguments: lines, bytes, seconds, first ids that fail
# once, ids that always fail (commas around and between them).
lines=$1 bytes=$2 seconds=$3 once=$4 always=$5
id=$BATCHIO_TASK_ID attempt=$BATCHIO_ATTEMPT

say() {
    read -r now _ </proc/uptime
    echo "$1 $id $attempt $now" >>"$CHAOS_PLACE/diary"
}

mkdir -p "$CHAOS_PLACE"
exec 9>>"$CHAOS_PLACE/lock.$id"
flock -n 9 || say twice
say begin
i=0
while [ $i -lt "$lines" ]; do
    echo "$attempt $i"
    i=$((i + 1))
done
sleep "$seconds" 9>&-
mkdir -p kept && echo "$id $attempt" >kept/name && head -c "$bytes" /dev/zero 9>&- >kept/bytes || {
    say full
    exit 9
}
echo "$attempt end"
case $always in *,$id,*) say fail && exit 7 ;; esac
case $once,$attempt in *,$id,*,1) say fail && exit 3 ;; esac
say end
