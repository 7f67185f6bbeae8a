# fish completion for vsa

function __vsa_is
    switch $argv[1]
        case corpus
            string match -qr '\.(json|JSON)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-corpus
        case snippets
            string match -qr '\.(jsonl|JSONL)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-snippets
        case calibration
            string match -qr '\.(json|JSON)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-calibration
        case regions
            string match -qr '\.(h5|H5|hdf5|HDF5)$' -- $argv[2]
        case lines
            string match -qr '\.(jsonl|JSONL)$' -- $argv[2]; and head -c 400 -- $argv[2] 2>/dev/null | grep -q vsa-
        case photo
            string match -qr '\.(apng|APNG|avif|AVIF|bmp|BMP|dib|DIB|gif|GIF|heic|HEIC|heif|HEIF|jfif|JFIF|jif|JIF|jpe|JPE|jpeg|JPEG|jpg|JPG|pbm|PBM|pgm|PGM|png|PNG|pnm|PNM|ppm|PPM|tif|TIF|tiff|TIFF|webp|WEBP)$' -- $argv[2]
        case sentences
            string match -qr '\.(json|JSON|jsonl|JSONL|csv|CSV|tsv|TSV|txt|TXT|token|TOKEN|tar|TAR|gz|GZ)$' -- $argv[2]
        case results
            string match -qr '\.(json|JSON|jsonl|JSONL|csv|CSV|tsv|TSV)$' -- $argv[2]
        case boxes
            string match -qr '\.(json|JSON|jsonl|JSONL|gz|GZ)$' -- $argv[2]
        case features
            string match -qr '\.(tsv|TSV|npy|NPY)$' -- $argv[2]
        case weights
            string match -qr '\.(pth|PTH|pt|PT)$' -- $argv[2]
        case vectors
            string match -qr '\.(txt|TXT|bin|BIN|vec|VEC|gz|GZ)$' -- $argv[2]
        case text
            string match -qr '\.(txt|TXT)$' -- $argv[2]
        case generator
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-generator
        case embedding
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-embedding
        case model
            head -c 400 -- $argv[2]/config.json 2>/dev/null | grep -q vsa-
        case folder
            test -d $argv[2]
    end
end

function __vsa_takes
    switch "$argv[1] $argv[2]"
        case 'caption -m' 'caption --model' 'caption --beam' 'caption --nbest' 'caption --format' 'caption -o' 'caption --output' 'caption --min-confidence' 'caption --min-logprob' 'caption --top-regions' 'caption --length-norm' 'caption --min-len' 'caption --min-length' 'caption --max-len' 'caption --max-length' 'caption --no-repeat-ngram' 'caption --avoid' 'caption --require' 'caption --style' 'caption --groups' 'caption --diversity' 'caption --temperature' 'caption --top-k' 'caption --top-p' 'caption --corpus' 'caption --regions-file' 'caption --split' 'caption --baseline' 'caption --sidecar' 'caption --annotate' 'caption --shard' 'caption --batch-size' 'caption --cnn-weights' 'caption --cache-dir' 'caption --detector' 'caption --device' 'caption --runtime' 'caption --threads' 'caption --seed'
            return 0
        case 'retrieve -m' 'retrieve --model' 'retrieve --top' 'retrieve --index' 'retrieve --images' 'retrieve --candidates' 'retrieve --port' 'retrieve --host' 'retrieve --image' 'retrieve --sentences' 'retrieve --corpus' 'retrieve --regions-file' 'retrieve --split' 'retrieve --folds' 'retrieve --format' 'retrieve -o' 'retrieve --output' 'retrieve --cnn-weights' 'retrieve --cache-dir' 'retrieve --device' 'retrieve --runtime' 'retrieve --threads'
            return 0
        case 'index -o' 'index --output' 'index -m' 'index --model' 'index --shard' 'index --sentences' 'index --corpus' 'index --regions-file' 'index --split' 'index --cnn-weights' 'index --cache-dir' 'index --device' 'index --runtime' 'index --threads'
            return 0
        case 'align -m' 'align --model' 'align --beta' 'align --evidence' 'align --corpus' 'align --regions-file' 'align --split' 'align --scores' 'align --words' 'align --html-limit' 'align -o' 'align --output' 'align --html' 'align --cnn-weights' 'align --cache-dir' 'align --device' 'align --runtime' 'align --threads'
            return 0
        case 'prep --images' 'prep -o' 'prep --output' 'prep --captions-format' 'prep --splits' 'prep --split' 'prep --tune' 'prep --val' 'prep --test' 'prep --style' 'prep --min-count' 'prep --unknown' 'prep --restval' 'prep --report' 'prep --seed' 'prep --threads'
            return 0
        case 'extract-regions -o' 'extract-regions --output' 'extract-regions --split' 'extract-regions --images' 'extract-regions --detector' 'extract-regions --top' 'extract-regions --boxes' 'extract-regions --detector-weights' 'extract-regions --cnn' 'extract-regions --cnn-weights' 'extract-regions --describe' 'extract-regions --side' 'extract-regions --photo-side' 'extract-regions --cnn-of' 'extract-regions --device' 'extract-regions --runtime' 'extract-regions --precision' 'extract-regions --threads' 'extract-regions --seed' 'extract-regions --shard'
            return 0
        case 'train-labels -o' 'train-labels --output' 'train-labels --corpus' 'train-labels --teacher' 'train-labels --names' 'train-labels --split' 'train-labels --validate' 'train-labels --epochs' 'train-labels --patience' 'train-labels --learning-rate' 'train-labels --batch-size' 'train-labels --mention-weight' 'train-labels --folds' 'train-labels --hidden-size' 'train-labels --device' 'train-labels --threads' 'train-labels --seed'
            return 0
        case 'train-embed -o' 'train-embed --output' 'train-embed --preset' 'train-embed --start' 'train-embed --split' 'train-embed --validate' 'train-embed --also' 'train-embed --unpaired' 'train-embed --labels' 'train-embed --epochs' 'train-embed --patience' 'train-embed --learning-rate' 'train-embed --weight-decay' 'train-embed --batch-size' 'train-embed --loss' 'train-embed --temperature' 'train-embed --encoder' 'train-embed --size' 'train-embed --hidden-size' 'train-embed --whole-weight' 'train-embed --dropout' 'train-embed --word-dropout' 'train-embed --word-vectors' 'train-embed --cnn-rate' 'train-embed --sweep-rates' 'train-embed --sweep-decays' 'train-embed --device' 'train-embed --precision' 'train-embed --threads' 'train-embed --memory' 'train-embed --seed'
            return 0
        case 'train-gen -o' 'train-gen --output' 'train-gen --preset' 'train-gen --split' 'train-gen --validate' 'train-gen --snippets' 'train-gen --start' 'train-gen --self-critical' 'train-gen --also' 'train-gen --text' 'train-gen --labels' 'train-gen --tags' 'train-gen --also-snippets' 'train-gen --epochs' 'train-gen --patience' 'train-gen --learning-rate' 'train-gen --batch-size' 'train-gen --label-smoothing' 'train-gen --cell' 'train-gen --attention' 'train-gen --word-size' 'train-gen --hidden-size' 'train-gen --dropout' 'train-gen --device' 'train-gen --precision' 'train-gen --threads' 'train-gen --memory' 'train-gen --seed'
            return 0
        case 'calibrate -m' 'calibrate --model' 'calibrate -o' 'calibrate --output' 'calibrate --split' 'calibrate --also' 'calibrate --names' 'calibrate --batch-size' 'calibrate --device' 'calibrate --threads'
            return 0
        case 'evaluate --references' 'evaluate --split' 'evaluate --metric' 'evaluate --document-frequencies' 'evaluate --boxes' 'evaluate --folds' 'evaluate --compare' 'evaluate --baseline' 'evaluate --fail-under' 'evaluate --samples' 'evaluate --seed' 'evaluate --per-image'
            return 0
        case 'convert -o' 'convert --output' 'convert --split' 'convert --cnn'
            return 0
        case 'pack -o' 'pack --output' 'pack --calibration' 'pack --labels' 'pack --bank'
            return 0
        case 'doctor --cache-dir'
            return 0
    end
    return 1
end

# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
function __vsa_files
    set -l only
    if test $argv[1] = -m
        set only yes
        set -e argv[1]
    end
    set -l found
    set -l folders
    for path in (__fish_complete_path (commandline -ct | string unescape) | string replace -r '\t.*' '')
        set -l fits
        for kind in $argv
            if __vsa_is $kind (string replace -r '^~/' $HOME/ -- $path)
                set fits yes
                break
            end
        end
        if test -n "$fits"
            set -a found $path
        else if string match -q '*/' -- $path
            set -a folders $path
        end
    end
    test -n "$only" -a (count $found) -gt 0; and set folders
    string join \n -- $found $folders
end

function __vsa_in
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]
end

# Whether the word at the cursor is an argument of a command, and which, from 0; "-" is that one or any later.
function __vsa_at
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]; or return 1
    string match -q -- '-*' (commandline -ct); and return 1
    set -l at 0
    set -l skip
    for word in $words[3..-1]
        if test -n "$skip"
            set skip
        else if __vsa_takes $argv[1] $word
            set skip yes
        else if not string match -q -- '-*' $word
            set at (math $at + 1)
        end
    end
    test -z "$skip"; and test $at -ge $argv[2]; and test "$argv[3]" = - -o $at -eq $argv[2]
end

complete -c vsa -f
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l version -d 'Show the version and exit.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l show-completion -x -a 'bash zsh fish' \
    -d 'Print a completion script.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show this help and exit.'

complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a caption -d 'Caption photographs'
complete -c vsa -n '__vsa_in caption' -s m -l model -x -a '(__vsa_files -m generator)' -d 'Caption generator.'
complete -c vsa -n '__vsa_in caption' -l beam -x -d 'Beam size; 1 is greedy decoding.'
complete -c vsa -n '__vsa_in caption' -l nbest -x -d 'Number of captions per photograph, best first.'
complete -c vsa -n '__vsa_in caption' -l format -x -a 'text json jsonl coco csv html' -d 'json: one array; jsonl: one object per line.'
complete -c vsa -n '__vsa_in caption' -l json -d 'Short for --format json.'
complete -c vsa -n '__vsa_in caption' -s o -l output -x -a '(__vsa_files file)' -d 'Output file; for html, a folder unless named *.html.'
complete -c vsa -n '__vsa_in caption' -l objects -d 'In json, jsonl and html, also name the things that photographs show.'
complete -c vsa -n '__vsa_in caption' -l min-confidence -x -d 'Withhold captions of lower confidence; see vsa calibrate.'
complete -c vsa -n '__vsa_in caption' -l region-captions -d 'Also caption the regions, and keep the likely, distinct captions.'
complete -c vsa -n '__vsa_in caption' -l min-logprob -x -d 'Minimum mean log-probability per word, in nats.'
complete -c vsa -n '__vsa_in caption' -l top-regions -x -d 'Maximum number per photograph, the surest first.'
complete -c vsa -n '__vsa_in caption' -l length-norm -x -d 'Rank by log p / length^ALPHA.'
complete -c vsa -n '__vsa_in caption' -l min-len -l min-length -x -d 'Minimum number of words.'
complete -c vsa -n '__vsa_in caption' -l max-len -l max-length -x -d 'Maximum number of words.'
complete -c vsa -n '__vsa_in caption' -l no-repeat-ngram -x -d 'Repeat no sequence of N words; 0 is off.'
complete -c vsa -n '__vsa_in caption' -l avoid -x -d 'Exclude WORD from all captions; can be given several times.'
complete -c vsa -n '__vsa_in caption' -l require -x -d 'Force WORD into every caption; can be given up to 5 times.'
complete -c vsa -n '__vsa_in caption' -l consensus -l likeliest -d 'Take the caption most like the others.'
complete -c vsa -n '__vsa_in caption' -l repeat -l no-repeat -d 'Let captions mention a thing twice.'
complete -c vsa -n '__vsa_in caption' -l style -x -d 'Style, such as coco.'
complete -c vsa -n '__vsa_in caption' -l groups -x -d 'Diverse beam search with G groups, dividing --beam.'
complete -c vsa -n '__vsa_in caption' -l diversity -x -d 'Cost of words of earlier groups, in nats.'
complete -c vsa -n '__vsa_in caption' -l sample -d 'Sample instead of searching; implied by the next three.'
complete -c vsa -n '__vsa_in caption' -l temperature -x -d 'Sampling: sharp below 1, varied above.'
complete -c vsa -n '__vsa_in caption' -l top-k -x -d 'Sample from the K likeliest words; 0 is all.'
complete -c vsa -n '__vsa_in caption' -l top-p -x -d 'Nucleus sampling with total probability P.'
complete -c vsa -n '__vsa_in caption' -l corpus -x -a '(__vsa_files corpus)' -d 'corpus.json whose split is captioned, or whose sentences --baseline uses.'
complete -c vsa -n '__vsa_in caption' -l regions-file -x -a '(__vsa_files regions)' -d 'Regions file of --corpus.'
complete -c vsa -n '__vsa_in caption' -l split -x -a 'train tune val test all' -d 'Split to caption: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in caption' -l baseline -x -a 'nearest-neighbour' -d 'nearest-neighbour: a sentence of the most similar train image of --corpus.'
complete -c vsa -n '__vsa_in caption' -l sidecar -x -a '.txt' -d 'Write text files beside photographs: with .txt, photo.txt.'
complete -c vsa -n '__vsa_in caption' -l annotate -x -a '(__vsa_files folder)' -d 'Write copies with captions and boxes drawn on them to this folder.'
complete -c vsa -n '__vsa_in caption' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in caption' -l resume -d 'Continue an interrupted run with -o FILE --format jsonl, or --sidecar.'
complete -c vsa -n '__vsa_in caption' -l shard -x -d 'Do only part K of N of the work, for --join.'
complete -c vsa -n '__vsa_in caption' -l join -d 'Write the output from the parts of --shard.'
complete -c vsa -n '__vsa_in caption' -s 0 -l null -d 'File names on stdin are separated by NUL, as from find -print0.'
complete -c vsa -n '__vsa_in caption' -l batch-size -x -d 'Photographs captioned together; fewer need less memory.'
complete -c vsa -n '__vsa_in caption' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth).'
complete -c vsa -n '__vsa_in caption' -l cache-dir -x -a '(__vsa_files folder)' -d 'Folder of the feature cache.'
complete -c vsa -n '__vsa_in caption' -l no-cache -d 'Compute all CNN features; do not use the feature cache.'
complete -c vsa -n '__vsa_in caption' -l detector -x -a 'auto selective-search ssd' -d 'Source of regions; auto prefers ssd, from vsa[detector].'
complete -c vsa -n '__vsa_in caption' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in caption' -l runtime -x -a 'torch openvino' -d 'What computes the CNN: torch, or openvino on CPUs.'
complete -c vsa -n '__vsa_in caption' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in caption' -l seed -x -d 'Random seed of --sample.'
complete -c vsa -n '__vsa_in caption' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in caption' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at caption 0 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a retrieve -d 'Find photographs that match a sentence, or sentences or photographs that match a photograph'
complete -c vsa -n '__vsa_in retrieve' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'Alignment model.'
complete -c vsa -n '__vsa_in retrieve' -l top -x -d 'Maximum number of results per query.'
complete -c vsa -n '__vsa_in retrieve' -l explain -d 'Show, for each word, the box that matches it best; not with --corpus.'
complete -c vsa -n '__vsa_in retrieve' -l index -x -a '(__vsa_files folder)' -d 'Search this index, made by vsa index, by a QUERY or --image; - reads queries or names of photographs from stdin, one per line, and answers each with a line of JSON.'
complete -c vsa -n '__vsa_in retrieve' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs, if it is no longer the one that was indexed.'
complete -c vsa -n '__vsa_in retrieve' -l candidates -x -d 'Photographs or sentences that are scored exactly: the best by an approximate score.'
complete -c vsa -n '__vsa_in retrieve' -l exact -d 'Score all of them, which is slower.'
complete -c vsa -n '__vsa_in retrieve' -l serve -d 'Serve a page to search the index in a browser, until Ctrl-C.'
complete -c vsa -n '__vsa_in retrieve' -l port -x -d 'Port of the page; 0 is a free one.'
complete -c vsa -n '__vsa_in retrieve' -l host -x -d 'Address of the page, which has no password.'
complete -c vsa -n '__vsa_in retrieve' -l image -x -a '(__vsa_files photo)' -d 'Rank the sentences of --sentences, or those or the photographs of --index, for this photograph.'
complete -c vsa -n '__vsa_in retrieve' -l sentences -x -a '(__vsa_files text)' -d 'Text file, one sentence per line.'
complete -c vsa -n '__vsa_in retrieve' -l corpus -x -a '(__vsa_files corpus)' -d 'Rank all images and sentences of a split of this corpus.json against each other.'
complete -c vsa -n '__vsa_in retrieve' -l regions-file -x -a '(__vsa_files regions)' -d 'Regions file of --corpus.'
complete -c vsa -n '__vsa_in retrieve' -l split -x -a 'train tune val test all' -d 'Split to rank: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in retrieve' -l folds -x -d 'Divide the split into K parts, and rank within each (COCO\'s 1K protocol: 5 parts of 1,000 images).'
complete -c vsa -n '__vsa_in retrieve' -l format -x -a 'text json jsonl html' -d 'json: one array; jsonl: one object per line.'
complete -c vsa -n '__vsa_in retrieve' -l json -d 'Short for --format json.'
complete -c vsa -n '__vsa_in retrieve' -l strict -d 'Fail on a word that the model does not know; cannot be combined with --corpus.'
complete -c vsa -n '__vsa_in retrieve' -s 0 -l null -d 'File names on stdin are separated by NUL, as from find -print0.'
complete -c vsa -n '__vsa_in retrieve' -s o -l output -x -a '(__vsa_files file)' -d 'Output file; for html, a folder unless named *.html.'
complete -c vsa -n '__vsa_in retrieve' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth).'
complete -c vsa -n '__vsa_in retrieve' -l cache-dir -x -a '(__vsa_files folder)' -d 'Folder of the feature cache.'
complete -c vsa -n '__vsa_in retrieve' -l no-cache -d 'Compute all CNN features; do not use the feature cache.'
complete -c vsa -n '__vsa_in retrieve' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in retrieve' -l runtime -x -a 'torch openvino' -d 'What computes the CNN: torch, or openvino on CPUs.'
complete -c vsa -n '__vsa_in retrieve' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in retrieve' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in retrieve' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in retrieve' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at retrieve 1 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a index -d 'Describe photographs once, for fast search with vsa retrieve --index'
complete -c vsa -n '__vsa_in index' -s o -l output -x -a '(__vsa_files folder)' -d 'Folder of the index, new or existing.'
complete -c vsa -n '__vsa_in index' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'Alignment model.'
complete -c vsa -n '__vsa_in index' -l merge -d 'Join indices that were made with the same model.'
complete -c vsa -n '__vsa_in index' -l shard -x -d 'Describe only part K of N of the photographs, to share the work between machines; --merge joins the indices.'
complete -c vsa -n '__vsa_in index' -l sentences -x -a '(__vsa_files text)' -d 'Index sentences instead: a text file with one per line, a corpus.json, or captions in JSON.'
complete -c vsa -n '__vsa_in index' -l corpus -x -a '(__vsa_files corpus)' -d 'Add the photographs of this corpus.json, by the regions in --regions-file.'
complete -c vsa -n '__vsa_in index' -l regions-file -x -a '(__vsa_files regions)' -d 'Regions file of --corpus.'
complete -c vsa -n '__vsa_in index' -l split -x -a 'train tune val test all' -d 'Split to add: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in index' -s 0 -l null -d 'File names on stdin are separated by NUL, as from find -print0.'
complete -c vsa -n '__vsa_in index' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth).'
complete -c vsa -n '__vsa_in index' -l cache-dir -x -a '(__vsa_files folder)' -d 'Folder of the feature cache.'
complete -c vsa -n '__vsa_in index' -l no-cache -d 'Compute all CNN features; do not use the feature cache.'
complete -c vsa -n '__vsa_in index' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in index' -l runtime -x -a 'torch openvino' -d 'What computes the CNN: torch, or openvino on CPUs.'
complete -c vsa -n '__vsa_in index' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in index' -s f -l force -d 'Empty an existing index first.'
complete -c vsa -n '__vsa_in index' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in index' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in index' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at index 0 -' -a '(__vsa_files photo folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a align -d 'Assign each word of a sentence to the image region that the word describes'
complete -c vsa -n '__vsa_in align' -s m -l model -x -a '(__vsa_files -m embedding)' -d 'Alignment model.'
complete -c vsa -n '__vsa_in align' -l beta -x -d 'Weight β of the MRF\'s pairwise term: larger values give longer snippets, 0 assigns each word independently. Use about 0.5 with --evidence contained and 0.05 with own.'
complete -c vsa -n '__vsa_in align' -l evidence -x -a 'contained own' -d 'Score of a region for a word. own: its own score alone, as in Karpathy & Fei-Fei; contained: with the scores of the regions inside it, which favours whole objects, with those of the word alone, and with what the model\'s labeller sees, if it has one.'
complete -c vsa -n '__vsa_in align' -l corpus -x -a '(__vsa_files corpus)' -d 'Align the sentences of this corpus.json, instead of PHOTO and SENTENCE.'
complete -c vsa -n '__vsa_in align' -l regions-file -x -a '(__vsa_files regions)' -d 'Regions file of --corpus.'
complete -c vsa -n '__vsa_in align' -l split -x -a 'train tune val test all' -d 'Split to align: train, tune, val, test or all. For train-gen --snippets, use all, or train if it runs with --validate none.'
complete -c vsa -n '__vsa_in align' -l scores -x -a '(__vsa_files file)' -d 'Write the score of each word and region to FILE, for vsa evaluate --boxes.'
complete -c vsa -n '__vsa_in align' -l words -x -a '(__vsa_files file)' -d 'Write each word\'s visual importance (the norm of its vector, averaged over its occurrences) to FILE.'
complete -c vsa -n '__vsa_in align' -l html-limit -x -d 'Maximum number of photographs on the --html pages.'
complete -c vsa -n '__vsa_in align' -s o -l output -x -a '(__vsa_files file)' -d 'Output file.'
complete -c vsa -n '__vsa_in align' -l html -x -a '(__vsa_files folder)' -d 'Also write HTML pages with the photographs, boxes and coloured words to this folder.'
complete -c vsa -n '__vsa_in align' -l json -d 'Print the snippets of a photograph as one JSON array.'
complete -c vsa -n '__vsa_in align' -l strict -d 'Fail on a word that the model does not know; cannot be combined with --corpus.'
complete -c vsa -n '__vsa_in align' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth).'
complete -c vsa -n '__vsa_in align' -l cache-dir -x -a '(__vsa_files folder)' -d 'Folder of the feature cache.'
complete -c vsa -n '__vsa_in align' -l no-cache -d 'Compute all CNN features; do not use the feature cache.'
complete -c vsa -n '__vsa_in align' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in align' -l runtime -x -a 'torch openvino' -d 'What computes the CNN: torch, or openvino on CPUs.'
complete -c vsa -n '__vsa_in align' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in align' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in align' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in align' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at align 0' -a '(__vsa_files photo)'
complete -c vsa -n '__vsa_at align 1 -' -a '(__vsa_files text)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a prep -d 'Prepare a corpus: read captions, check photographs, assign splits, build the vocabulary'
complete -c vsa -n '__vsa_in prep' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs; webdataset tars are unpacked into it. Without it, the corpus has sentences alone.'
complete -c vsa -n '__vsa_in prep' -s o -l output -x -a '(__vsa_files file)' -d 'Corpus file to write.'
complete -c vsa -n '__vsa_in prep' -l captions-format -x -a 'auto karpathy coco flickr imagefolder list csv text sidecar webdataset plain' -d 'Format of the caption files; auto detects it.'
complete -c vsa -n '__vsa_in prep' -l splits -x -a '(__vsa_files text)' -d 'File that lists the images of one split, one per line. Without SPLIT=, the file name must contain the split, as in Flickr_8k.trainImages.txt. Can be given several times.'
complete -c vsa -n '__vsa_in prep' -l split -x -a 'train tune val test all' -d 'Split of images for which the caption files give none. With --splits, images in no list are left out.'
complete -c vsa -n '__vsa_in prep' -l tune -x -d 'Move the last N train images to the split tune, on which epochs and hyperparameters are selected.'
complete -c vsa -n '__vsa_in prep' -l val -x -d 'Move N randomly chosen train images to val.'
complete -c vsa -n '__vsa_in prep' -l test -x -d 'Move N randomly chosen train images to test.'
complete -c vsa -n '__vsa_in prep' -l style -x -d 'Name of the sentences\' style, such as flickr: one word of letters, digits, - and _.'
complete -c vsa -n '__vsa_in prep' -l min-count -x -d 'The vocabulary has the words that occur at least N times in the train split.'
complete -c vsa -n '__vsa_in prep' -l unknown -x -a 'drop unk' -d 'What to do with words rarer than --min-count: drop them (as in Karpathy & Fei-Fei 2015), or replace each with UNK.'
complete -c vsa -n '__vsa_in prep' -l characters -d 'Treat each character as a word in languages written without spaces (Chinese, Japanese, Thai).'
complete -c vsa -n '__vsa_in prep' -l restval -x -a 'train drop' -d 'What to do with the restval images of Karpathy\'s COCO split: add them to train, or drop them.'
complete -c vsa -n '__vsa_in prep' -l strict -d 'Write nothing if any input fails.'
complete -c vsa -n '__vsa_in prep' -l report -x -a '(__vsa_files file)' -d 'Write all problems to FILE as JSON Lines; stderr shows the first 20.'
complete -c vsa -n '__vsa_in prep' -l seed -x -d 'Random seed of --val and --test.'
complete -c vsa -n '__vsa_in prep' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in prep' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in prep' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in prep' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in prep' -l dry-run -d 'Print what would be done and exit.'
complete -c vsa -n '__vsa_in prep' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at prep 0 -' -a '(__vsa_files sentences)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a extract-regions -d 'Detect regions in photographs and compute the CNN features of each region'
complete -c vsa -n '__vsa_in extract-regions' -s o -l output -x -a '(__vsa_files file)' -d 'Regions file to write.'
complete -c vsa -n '__vsa_in extract-regions' -l split -x -a 'train tune val test all' -d 'Split to extract: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in extract-regions' -l images -x -a '(__vsa_files folder)' -d 'Folder of the photographs, if it is no longer the one recorded in the corpus.'
complete -c vsa -n '__vsa_in extract-regions' -l detector -x -a 'selective-search ssd fasterrcnn boxes grid' -d 'Source of the boxes: selective search; ssd, which also names the objects that it finds and adds selective search; Faster R-CNN; your own --boxes; or a grid (for tests).'
complete -c vsa -n '__vsa_in extract-regions' -l top -x -d 'Number of boxes per photograph, besides the whole image.'
complete -c vsa -n '__vsa_in extract-regions' -l boxes -x -a '(__vsa_files boxes)' -d 'Your own boxes, for --detector boxes: JSON {"id or file name": [[x1, y1, x2, y2], ...]} in pixels of the photograph after its EXIF orientation is applied.'
complete -c vsa -n '__vsa_in extract-regions' -l detector-weights -x -a '(__vsa_files weights)' -d 'Weights (.pth) for --detector fasterrcnn.'
complete -c vsa -n '__vsa_in extract-regions' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'CNN that computes the features: efficientnet_lite0, efficientnet_lite2, or a torchvision classifier such as alexnet, vgg16 or resnet50.'
complete -c vsa -n '__vsa_in extract-regions' -l cnn-weights -x -a '(__vsa_files weights)' -d 'CNN weights (.pth).'
complete -c vsa -n '__vsa_in extract-regions' -l describe -x -a 'crop roi' -d 'Features of a box. crop: the box is warped to the CNN\'s input size (R-CNN, as in Karpathy & Fei-Fei 2015); roi: they are pooled from one feature map of the photograph (Fast R-CNN).'
complete -c vsa -n '__vsa_in extract-regions' -l side -x -d 'Shorter side of the CNN\'s input, in pixels; 0 means 320 with roi, the CNN\'s own size with crop.'
complete -c vsa -n '__vsa_in extract-regions' -l photo-side -x -d 'First shrink photographs whose shorter side exceeds PX to that size; 0 means the median shorter side of all photographs. Models expect the size that they were trained with.'
complete -c vsa -n '__vsa_in extract-regions' -l cnn-of -x -d 'Use the CNN that vsa train-embed --tune-cnn tuned with MODEL, its --describe and --side, and, unless another is given, its --photo-side.'
complete -c vsa -n '__vsa_in extract-regions' -l keep-maps -d 'Also keep the CNN\'s maps of the photographs, about 130 KB each, for vsa train-embed --tune-cnn.'
complete -c vsa -n '__vsa_in extract-regions' -l details -d 'Also describe the texture, the colours, the place and the shape of each region, in 167 more numbers.'
complete -c vsa -n '__vsa_in extract-regions' -l mirrored -d 'Also describe the photographs mirrored left to right, for --mirrored of the training commands.'
complete -c vsa -n '__vsa_in extract-regions' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in extract-regions' -l runtime -x -a 'torch openvino' -d 'What computes the CNN: torch, or openvino on CPUs.'
complete -c vsa -n '__vsa_in extract-regions' -l precision -x -a 'float32 bf16' -d 'Precision of the CNN\'s products: float32, or bf16, which is faster on GPUs and rounds more.'
complete -c vsa -n '__vsa_in extract-regions' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in extract-regions' -l seed -x -d 'Seed to record in the file; extraction itself is deterministic.'
complete -c vsa -n '__vsa_in extract-regions' -s f -l force -d 'Replace existing output, or that of an unfinished run.'
complete -c vsa -n '__vsa_in extract-regions' -l resume -d 'Continue the interrupted run in --output.'
complete -c vsa -n '__vsa_in extract-regions' -l shard -x -d 'Do only part K of N of the work, for --join.'
complete -c vsa -n '__vsa_in extract-regions' -l join -d 'Write the output from the parts of --shard.'
complete -c vsa -n '__vsa_in extract-regions' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in extract-regions' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in extract-regions' -l dry-run -d 'Print what would be done and exit.'
complete -c vsa -n '__vsa_in extract-regions' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at extract-regions 0' -a '(__vsa_files corpus folder)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-labels -d 'Train the labeller, which names what photographs show'
complete -c vsa -n '__vsa_in train-labels' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in train-labels' -l corpus -x -a '(__vsa_files corpus)' -d 'Corpus whose sentences mention what photographs show; can be given several times.'
complete -c vsa -n '__vsa_in train-labels' -l teacher -x -a '(__vsa_files regions)' -d 'Regions file with the labels of a detector, from vsa extract-regions --detector ssd. It can be one of REGIONS, and can be given several times.'
complete -c vsa -n '__vsa_in train-labels' -l names -x -a '(__vsa_files file)' -d 'Names to learn, with the words that mention them: JSON such as {"names": {"hot dog": ["hot dog", "hot dogs"]}}.'
complete -c vsa -n '__vsa_in train-labels' -l split -x -a 'train tune val test all' -d 'Split to train on: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in train-labels' -l validate -x -a 'auto train tune val test none' -d 'Split on which the best epoch is selected: auto is tune, else val; none, or auto without such a split, holds out the last tenth of the photographs.'
complete -c vsa -n '__vsa_in train-labels' -l epochs -x -d 'Maximum epochs.'
complete -c vsa -n '__vsa_in train-labels' -l patience -x -d 'Stop after N epochs without improvement in validation.'
complete -c vsa -n '__vsa_in train-labels' -l learning-rate -x -d 'Initial learning rate; a cosine takes it to zero.'
complete -c vsa -n '__vsa_in train-labels' -l batch-size -x -d 'Photographs per step.'
complete -c vsa -n '__vsa_in train-labels' -l mention-weight -x -d 'Weight of a name that no sentence mentions, beside 1 for one that is mentioned.'
complete -c vsa -n '__vsa_in train-labels' -l folds -x -d 'Also train K labellers, each without one of K parts of the photographs; vsa train-gen then names what a photograph shows with the one that has not seen it.'
complete -c vsa -n '__vsa_in train-labels' -l hidden-size -x -d 'Hidden units.'
complete -c vsa -n '__vsa_in train-labels' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in train-labels' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in train-labels' -l seed -x -d 'Random seed of initial weights, data order and dropout.'
complete -c vsa -n '__vsa_in train-labels' -s f -l force -d 'Replace existing output, or that of an unfinished run.'
complete -c vsa -n '__vsa_in train-labels' -l resume -d 'Continue the interrupted run in --output.'
complete -c vsa -n '__vsa_in train-labels' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in train-labels' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in train-labels' -l dry-run -d 'Print what would be done and exit.'
complete -c vsa -n '__vsa_in train-labels' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at train-labels 0 -' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-embed -d 'Train the alignment model, which embeds regions and words in one space'
complete -c vsa -n '__vsa_in train-embed' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in train-embed' -l preset -x -a 'paper best' -d 'Defaults: the paper\'s, or the strongest (best).'
complete -c vsa -n '__vsa_in train-embed' -l start -x -a '(__vsa_files file)' -d 'Continue from a trained model, with its settings and vocabulary.'
complete -c vsa -n '__vsa_in train-embed' -l split -x -a 'train tune val test all' -d 'Split to train on: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in train-embed' -l validate -x -a 'auto train tune val test none' -d 'Split on which the best epoch is selected: auto is tune, else val, else none; none keeps the last epoch.'
complete -c vsa -n '__vsa_in train-embed' -l also -x -a '(__vsa_files corpus)' -d 'Further corpus, W times per epoch. Can be given several times.'
complete -c vsa -n '__vsa_in train-embed' -l unpaired -x -a '(__vsa_files regions)' -d 'Photographs, W times per epoch, with fitting sentences of TEXT.'
complete -c vsa -n '__vsa_in train-embed' -l labels -x -a '(__vsa_files -m model)' -d 'Labeller from vsa train-labels, for names in these photographs.'
complete -c vsa -n '__vsa_in train-embed' -l epochs -x -d 'Maximum epochs.'
complete -c vsa -n '__vsa_in train-embed' -l patience -x -d 'Stop after N epochs without improvement in validation.'
complete -c vsa -n '__vsa_in train-embed' -l keep-last -d 'Keep the last epoch and ignore --patience; implied by --validate none.'
complete -c vsa -n '__vsa_in train-embed' -l mirrored -d 'Mirror half of the photographs (extract-regions --mirrored).'
complete -c vsa -n '__vsa_in train-embed' -l learning-rate -x -d 'Initial learning rate; a cosine takes it to zero.'
complete -c vsa -n '__vsa_in train-embed' -l weight-decay -x -d 'Weight decay (best: decoupled).'
complete -c vsa -n '__vsa_in train-embed' -l batch-size -x -d 'Pairs per step.'
complete -c vsa -n '__vsa_in train-embed' -l loss -x -a 'hinge contrastive' -d 'hinge: the paper\'s ranking loss; contrastive: a softmax over the batch, both ways.'
complete -c vsa -n '__vsa_in train-embed' -l temperature -x -d 'Temperature of the contrastive loss.'
complete -c vsa -n '__vsa_in train-embed' -l encoder -x -a 'brnn gru' -d 'Sentence encoder. brnn: the paper\'s bidirectional ReLU network; gru: a bidirectional GRU.'
complete -c vsa -n '__vsa_in train-embed' -l size -x -d 'Dimension of the embedding space.'
complete -c vsa -n '__vsa_in train-embed' -l hidden-size -x -d 'Hidden units per direction.'
complete -c vsa -n '__vsa_in train-embed' -l whole-weight -x -d 'Weight of the similarity of whole sentence and image; 0 uses words and regions only.'
complete -c vsa -n '__vsa_in train-embed' -l dropout -x -d 'Dropout between layers.'
complete -c vsa -n '__vsa_in train-embed' -l word-dropout -x -d 'Share of words dropped.'
complete -c vsa -n '__vsa_in train-embed' -l word-vectors -x -a '(__vsa_files vectors)' -d 'Pretrained word vectors of any size: word2vec (.bin or .txt) or GloVe.'
complete -c vsa -n '__vsa_in train-embed' -l fixed-words -l tuned-words -d 'Freeze or fine-tune the word vectors.'
complete -c vsa -n '__vsa_in train-embed' -l tune-cnn -d 'Also train the CNN\'s last stages (extract-regions --keep-maps).'
complete -c vsa -n '__vsa_in train-embed' -l cnn-rate -x -d 'The CNN\'s learning rate.'
complete -c vsa -n '__vsa_in train-embed' -l sweep -d 'Select learning rate and weight decay by successive halving.'
complete -c vsa -n '__vsa_in train-embed' -l sweep-rates -x -d 'Rates to try, replacing --learning-rate.'
complete -c vsa -n '__vsa_in train-embed' -l sweep-decays -x -d 'Decays to try, replacing --weight-decay.'
complete -c vsa -n '__vsa_in train-embed' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in train-embed' -l precision -x -a 'float32 bf16' -d 'Products: float32 or bf16; weights stay float32.'
complete -c vsa -n '__vsa_in train-embed' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in train-embed' -l memory -x -d 'Memory to use, such as 8G. Regions that need over a quarter of it are read from their file during training.'
complete -c vsa -n '__vsa_in train-embed' -l seed -x -d 'Random seed of initial weights, data order and dropout.'
complete -c vsa -n '__vsa_in train-embed' -s f -l force -d 'Replace existing output, or that of an unfinished run.'
complete -c vsa -n '__vsa_in train-embed' -l resume -d 'Continue the interrupted run in --output.'
complete -c vsa -n '__vsa_in train-embed' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in train-embed' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in train-embed' -l dry-run -d 'Print what would be done and exit.'
complete -c vsa -n '__vsa_in train-embed' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at train-embed 0' -a '(__vsa_files corpus)'
complete -c vsa -n '__vsa_at train-embed 1' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a train-gen -d 'Train the caption generator on images and their sentences'
complete -c vsa -n '__vsa_in train-gen' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in train-gen' -l preset -x -a 'paper best' -d 'Defaults of the training and model options: the paper\'s, or the strongest model\'s (best).'
complete -c vsa -n '__vsa_in train-gen' -l split -x -a 'train tune val test all' -d 'Split to train on: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in train-gen' -l validate -x -a 'auto train tune val test none' -d 'Split on which the best epoch is selected: auto is tune, else val, else none; none keeps the last epoch.'
complete -c vsa -n '__vsa_in train-gen' -l snippets -x -a '(__vsa_files snippets)' -d 'Train on regions and their snippets, from vsa align --corpus with --split all, instead of whole images.'
complete -c vsa -n '__vsa_in train-gen' -l start -x -a '(__vsa_files file)' -d 'Fine-tune this trained generator on the sources. It keeps its model settings and vocabulary.'
complete -c vsa -n '__vsa_in train-gen' -l self-critical -x -a '(__vsa_files -m generator)' -d 'Fine-tune it to maximise CIDEr; of the sources, only --also applies.'
complete -c vsa -n '__vsa_in train-gen' -l also -x -a '(__vsa_files corpus)' -d 'Further corpus, W times per epoch. Can be given several times.'
complete -c vsa -n '__vsa_in train-gen' -l text -x -a '(__vsa_files corpus)' -d 'Also train on sentences without photographs, from vsa prep without --images; requires --labels. Can be given several times.'
complete -c vsa -n '__vsa_in train-gen' -l labels -x -a '(__vsa_files -m model)' -d 'Labeller, from vsa train-labels: names things in images (tags).'
complete -c vsa -n '__vsa_in train-gen' -l tags -x -d 'Maximum tags per image; requires --labels.'
complete -c vsa -n '__vsa_in train-gen' -l also-snippets -x -a '(__vsa_files snippets)' -d 'Also train on regions and their snippets, W times per epoch, so that one model captions both.'
complete -c vsa -n '__vsa_in train-gen' -l epochs -x -d 'Maximum epochs.'
complete -c vsa -n '__vsa_in train-gen' -l patience -x -d 'Stop after N epochs without improvement in validation.'
complete -c vsa -n '__vsa_in train-gen' -l keep-last -d 'Keep the last epoch and ignore --patience; implied by --validate none.'
complete -c vsa -n '__vsa_in train-gen' -l mirrored -d 'Mirror half of the photographs (extract-regions --mirrored).'
complete -c vsa -n '__vsa_in train-gen' -l learning-rate -x -d 'Initial learning rate; a cosine takes it to zero.'
complete -c vsa -n '__vsa_in train-gen' -l batch-size -x -d 'Sentences per step, or images with --self-critical.'
complete -c vsa -n '__vsa_in train-gen' -l label-smoothing -x -d 'Share of the target probability that is spread evenly over all words.'
complete -c vsa -n '__vsa_in train-gen' -l cell -x -a 'rnn gru lstm' -d 'Recurrent cell: rnn is the paper\'s ReLU network. With lstm and rnn, --attention is 0.'
complete -c vsa -n '__vsa_in train-gen' -l attention -x -d 'Attention heads over the regions, a divisor of --hidden-size; 0 uses only the whole image.'
complete -c vsa -n '__vsa_in train-gen' -l word-size -x -d 'Dimension of the word vectors.'
complete -c vsa -n '__vsa_in train-gen' -l hidden-size -x -d 'Hidden units of the recurrent cell.'
complete -c vsa -n '__vsa_in train-gen' -l dropout -x -d 'Dropout probability on non-recurrent layers.'
complete -c vsa -n '__vsa_in train-gen' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in train-gen' -l precision -x -a 'float32 bf16' -d 'Products: float32 or bf16; weights stay float32.'
complete -c vsa -n '__vsa_in train-gen' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in train-gen' -l memory -x -d 'Memory to use, such as 8G. Regions that need over a quarter of it are read from their file during training.'
complete -c vsa -n '__vsa_in train-gen' -l seed -x -d 'Random seed of initial weights, data order and dropout.'
complete -c vsa -n '__vsa_in train-gen' -s f -l force -d 'Replace existing output, or that of an unfinished run.'
complete -c vsa -n '__vsa_in train-gen' -l resume -d 'Continue the interrupted run in --output.'
complete -c vsa -n '__vsa_in train-gen' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in train-gen' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in train-gen' -l dry-run -d 'Print what would be done and exit.'
complete -c vsa -n '__vsa_in train-gen' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at train-gen 0' -a '(__vsa_files corpus)'
complete -c vsa -n '__vsa_at train-gen 1' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a calibrate -d 'Measure how often a generator\'s captions are right, so that each caption can have a confidence'
complete -c vsa -n '__vsa_in calibrate' -s m -l model -x -a '(__vsa_files -m generator)' -d 'Caption generator, from vsa train-gen.'
complete -c vsa -n '__vsa_in calibrate' -s o -l output -x -a '(__vsa_files file)' -d 'Calibration to write.'
complete -c vsa -n '__vsa_in calibrate' -l split -x -a 'train tune val test all' -d 'Split to caption: tune, val, test, train or all. The model must not have been trained on it.'
complete -c vsa -n '__vsa_in calibrate' -l also -x -a '(__vsa_files corpus)' -d 'Further corpus with that split. Can be given several times.'
complete -c vsa -n '__vsa_in calibrate' -l names -x -a '(__vsa_files file)' -d 'The things that count, with the words that mention them, as for vsa train-labels.'
complete -c vsa -n '__vsa_in calibrate' -l batch-size -x -d 'Images captioned together.'
complete -c vsa -n '__vsa_in calibrate' -l device -x -a 'auto cpu cuda mps' -d 'cpu, cuda, cuda:N, mps, or auto (CUDA if available).'
complete -c vsa -n '__vsa_in calibrate' -l threads -x -d 'CPU threads; 0 is one per available core.'
complete -c vsa -n '__vsa_in calibrate' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in calibrate' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in calibrate' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in calibrate' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at calibrate 0' -a '(__vsa_files corpus)'
complete -c vsa -n '__vsa_at calibrate 1' -a '(__vsa_files regions)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a evaluate -d 'Evaluate captions, retrieval rankings or word-to-region alignments'
complete -c vsa -n '__vsa_in evaluate' -l references -x -a '(__vsa_files sentences)' -d 'Reference sentences, required for captions: corpus.json, COCO captions, Flickr token file, CSV, TSV or JSON Lines.'
complete -c vsa -n '__vsa_in evaluate' -l split -x -a 'train tune val test all' -d 'Split to score: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in evaluate' -l metric -x -a 'BLEU METEOR ROUGE-L CIDEr' -d 'Metric to compute; BLEU computes BLEU-1 to BLEU-4. Can be given several times.'
complete -c vsa -n '__vsa_in evaluate' -l strict -d 'Fail if an id has no match, a caption is missing, empty or duplicated, or an entry is damaged.'
complete -c vsa -n '__vsa_in evaluate' -l document-frequencies -x -a '(__vsa_files file)' -d 'Compute CIDEr with the n-gram document frequencies in FILE, because those of a small reference set are unreliable; if FILE does not exist, write those of the references.'
complete -c vsa -n '__vsa_in evaluate' -l boxes -x -a '(__vsa_files boxes)' -d 'Ground-truth boxes of phrases, required for word scores: Flickr30k Entities as JSON Lines, plain or gzipped (format: NOTES in vsa-evaluate(1)).'
complete -c vsa -n '__vsa_in evaluate' -l folds -x -d 'Check that the rankings have K folds. Metrics are averaged over the folds.'
complete -c vsa -n '__vsa_in evaluate' -l compare -x -a '(__vsa_files results)' -d 'Score the files OLD and NEW instead of FILE, and report the differences with paired-bootstrap confidence intervals and p-values.'
complete -c vsa -n '__vsa_in evaluate' -l baseline -x -a '(__vsa_files results)' -d 'Report the differences from the scores in FILE, the output of an earlier run with --json.'
complete -c vsa -n '__vsa_in evaluate' -l fail-under -x -d 'Exit with code 5 if METRIC, under its name in the --json output, is below VALUE: a number, or baseline-NUMBER, relative to the scores of --baseline or OLD. Can be given several times.'
complete -c vsa -n '__vsa_in evaluate' -l samples -x -d 'Number of bootstrap resamples for confidence intervals.'
complete -c vsa -n '__vsa_in evaluate' -l seed -x -d 'Random seed of the bootstrap.'
complete -c vsa -n '__vsa_in evaluate' -l per-image -x -a '(__vsa_files file)' -d 'Write the scores of each image, query or phrase to FILE as JSON Lines.'
complete -c vsa -n '__vsa_in evaluate' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in evaluate' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in evaluate' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in evaluate' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at evaluate 0' -a '(__vsa_files results)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a info -d 'Describe a file or model that vsa has written: what it is, how it was made and from what'
complete -c vsa -n '__vsa_in info' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in info' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at info 0' -a '(__vsa_files model folder corpus regions lines calibration)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a convert -d 'Convert regions.h5 to and from bottom-up-attention TSV files and SCAN arrays'
complete -c vsa -n '__vsa_in convert' -s o -l output -x -a '(__vsa_files file)' -d 'If IN is regions.h5: a .tsv file or a folder. Otherwise: a regions.h5 file.'
complete -c vsa -n '__vsa_in convert' -l split -x -a 'train tune val test all' -d 'Split to convert: train, tune, val, test or all.'
complete -c vsa -n '__vsa_in convert' -l cnn -x -a 'efficientnet_lite2 efficientnet_lite0 alexnet vgg16' -d 'Name to record for the network that computed the imported features.'
complete -c vsa -n '__vsa_in convert' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in convert' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in convert' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in convert' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at convert 0' -a '(__vsa_files regions features)'
complete -c vsa -n '__vsa_at convert 1' -a '(__vsa_files corpus)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a pack -d 'Write a smaller copy of a trained model for sharing: float16, without training state'
complete -c vsa -n '__vsa_in pack' -s o -l output -x -a '(__vsa_files file)' -d 'Model directory to write.'
complete -c vsa -n '__vsa_in pack' -l calibration -x -a '(__vsa_files calibration)' -d 'Calibration of a caption generator, from vsa calibrate: each caption then has a confidence, the probability that it is right.'
complete -c vsa -n '__vsa_in pack' -l labels -x -a '(__vsa_files -m model)' -d 'Labeller for an alignment model, from vsa train-labels on descriptors of the same CNN: vsa align, and vsa retrieve without --index, then place words such as dog by what it sees, too.'
complete -c vsa -n '__vsa_in pack' -l bank -x -a '(__vsa_files corpus)' -d 'Corpus and regions file from whose training split the bank of an alignment model is made. With it, vsa retrieve lowers the scores of photographs that match almost every sentence, and of sentences that match almost every photograph, so that they do not come before the right ones. Can be given several times.'
complete -c vsa -n '__vsa_in pack' -s f -l force -d 'Replace existing output.'
complete -c vsa -n '__vsa_in pack' -s q -l quiet -d 'Print only errors and warnings on stderr.'
complete -c vsa -n '__vsa_in pack' -s h -l help -d 'Show this help and exit.'
complete -c vsa -n '__vsa_at pack 0' -a '(__vsa_files -m model)'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a doctor -d 'Check the installation and measure captioning speed'
complete -c vsa -n '__vsa_in doctor' -l cache-dir -x -a '(__vsa_files folder)' -d 'Folder of the feature cache.'
complete -c vsa -n '__vsa_in doctor' -l json -d 'Print the result as one JSON object.'
complete -c vsa -n '__vsa_in doctor' -s h -l help -d 'Show this help and exit.'
