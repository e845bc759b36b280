<#
.SYNOPSIS
Starts MinIO in Docker for Remote Drive, and prints the variables to set.

.DESCRIPTION
For Windows PowerShell 5.1 and newer, where the embedded store does not run. A Docker volume keeps
the objects. Run it again at any time: it starts an existing container and prints the keys that the
container was made with.

.PARAMETER Port
The port of the S3 API on 127.0.0.1.

.PARAMETER AccessKey
Used when the container is made: 3 to 20 letters and digits. Generated when not given.

.PARAMETER SecretKey
Used when the container is made: 8 to 40 letters and digits. Generated when not given.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\start-minio.ps1
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 65535)]
    [int]$Port = 9000,

    [ValidatePattern('^[A-Za-z0-9]{3,20}$')]
    [string]$AccessKey,

    [ValidatePattern('^[A-Za-z0-9]{8,40}$')]
    [string]$SecretKey,

    [ValidatePattern('^[A-Za-z0-9][A-Za-z0-9_.-]*$')]
    [string]$Name = 'remotedrive-minio'
)

Set-StrictMode -Version 2.0
# Windows PowerShell makes an error of every line that a program writes to standard error;
# the exit status says whether Docker could do what it was asked for.
$ErrorActionPreference = 'Continue'
$Image = 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z'

function Stop-WithSentence([string]$Sentence) {
    [Console]::Error.WriteLine($Sentence)
    exit 1
}

function New-Secret([int]$Bytes) {
    $buffer = New-Object 'byte[]' $Bytes
    $generator = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $generator.GetBytes($buffer)
    $generator.Dispose()
    return (($buffer | ForEach-Object { $_.ToString('x2') }) -join '')
}

function Get-FromContainer([string]$Template) {
    & docker container inspect --format $Template $Name 2>$null
}

if (-not (Get-Command docker -ErrorAction SilentlyContinue)) {
    Stop-WithSentence 'Docker is not installed, or not on the PATH. See https://docs.docker.com/desktop/'
}
& docker version --format '{{.Server.Version}}' 2>$null | Out-Null
if ($LASTEXITCODE -ne 0) {
    Stop-WithSentence 'Docker does not answer. Start Docker Desktop, then run this script again.'
}

$user = ''
$password = ''
# PowerShell 5.1 drops double quotes in arguments, so these templates have none.
foreach ($line in (Get-FromContainer '{{range .Config.Env}}{{println .}}{{end}}')) {
    if ($line -like 'MINIO_ROOT_USER=*') { $user = $line.Substring('MINIO_ROOT_USER='.Length) }
    if ($line -like 'MINIO_ROOT_PASSWORD=*') { $password = $line.Substring('MINIO_ROOT_PASSWORD='.Length) }
}
if ($LASTEXITCODE -eq 0) {
    $remove = "or remove it first: docker rm -f $Name (what is stored stays in the volume)."
    if (($AccessKey -and $AccessKey -cne $user) -or ($SecretKey -and $SecretKey -cne $password)) {
        Stop-WithSentence "The container $Name was made with other keys. Leave them out, $remove"
    }
    $portThere = "$(Get-FromContainer '{{range .HostConfig.PortBindings}}{{(index . 0).HostPort}}{{end}}')"
    if ($PSBoundParameters.ContainsKey('Port') -and "$Port" -ne $portThere) {
        Stop-WithSentence "The container $Name was made for port $portThere. Leave -Port out, $remove"
    }
    $Port = [int]$portThere
    & docker start $Name | Out-Null
}
else {
    $user = if ($AccessKey) { $AccessKey } else { New-Secret 8 }
    $password = if ($SecretKey) { $SecretKey } else { New-Secret 20 }
    & docker run --detach --name $Name --publish "127.0.0.1:${Port}:9000" --volume "${Name}:/data" `
        --env "MINIO_ROOT_USER=$user" --env "MINIO_ROOT_PASSWORD=$password" `
        --env 'MINIO_BROWSER=off' $Image server /data | Out-Null
}
if ($LASTEXITCODE -ne 0) {
    Stop-WithSentence "Docker could not start ${Name}; it says above why. If port $Port is in use, choose another with -Port."
}

$endpoint = "http://127.0.0.1:$Port"
$ready = $false
for ($attempt = 0; -not $ready -and $attempt -lt 120; $attempt++) {
    try {
        $answer = Invoke-WebRequest -Uri "$endpoint/minio/health/ready" -UseBasicParsing -TimeoutSec 2
        $ready = $answer.StatusCode -eq 200
    }
    catch {
        Start-Sleep -Milliseconds 500
    }
}
if (-not $ready) {
    Stop-WithSentence "MinIO is not ready. Its log: docker logs $Name"
}

Write-Output @"
# MinIO is ready at $endpoint. Stop it with: docker stop $Name
# Set this in each window in which the service or manage.py runs:
`$env:MINIO_ENDPOINT = '$endpoint'
`$env:MINIO_ACCESS_KEY = '$user'
`$env:MINIO_SECRET_KEY = '$password'

# Then go on as README.md says under "With MinIO, or on Windows and macOS".
"@
