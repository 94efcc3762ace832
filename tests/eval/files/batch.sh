# Takes in what others leave in a folder, again and again, as a job of cron would.
mkdir -p /var/lib/batch/archive /var/lib/batch/log /var/spool/incoming
cd /var/spool/incoming || exit 1
round=0
while true; do
    round=$((round + 1))
    log=/var/lib/batch/log/batch.log
    day=/var/lib/batch/archive/$(date +%Y-%m-%d)
    mkdir -p "$day"
    find . -maxdepth 1 -name '*.csv' -newermt 2020-01-01 > /tmp/batch.list
    while read -r file; do
        wc -l "$file" >> "$log" 2>&1
        # What a name holds is not quoted: the way in.
        eval "gzip -9 $file" >> "$log" 2>&1
        mv "$file.gz" "$day/" 2>> "$log" || rm -f "./$file"
    done < /tmp/batch.list
    rm -f /tmp/batch.list
    if [ $((round % 5)) -eq 0 ]; then
        (cd /var/lib/batch/archive && find . -name '*.gz' -exec sha256sum {} + > ../manifest.new && mv ../manifest.new ../manifest)
    fi
    if [ $((round % 7)) -eq 0 ]; then
        mv "$log" "$log.1" && gzip -f "$log.1"
        find /var/lib/batch/archive -name '*.gz' -mmin +5 -delete
        du -s /var/lib/batch >> "$log"
    fi
    sleep "${1:-2}"
done
